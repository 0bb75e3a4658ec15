use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn incoming(id: u64, size: u32, expires_at_ms: u64) -> Incoming<Record> {
    let payload = Record::new(&id.to_le_bytes(), &vec![7; size as usize]);
    Incoming { id, namespace: id as u32 % 3, size, expires_at_ms, payload }
}

/// Ids whose low halves collide, so that the index has to look at the whole id.
fn id(of: u64) -> u64 {
    (of % 10) | (of / 10) << 32
}

#[derive(Debug, Clone)]
enum Act {
    Put { id: u64, size: u32, ttl_ms: Option<u64> },
    Touch(u64),
    Remove(u64),
    Expire(u64, Option<u64>),
    Pass(u64),
    Evict,
}

fn act() -> impl Strategy<Value = Act> {
    let any_id = (0_u64..60).prop_map(id);
    let ttl = prop::option::of(prop_oneof![1_u64..300, 1_u64..100_000]);
    prop_oneof![
        6 => (any_id.clone(), 0_u32..50, ttl.clone()).prop_map(|(id, size, ttl_ms)| Act::Put { id, size, ttl_ms }),
        3 => any_id.clone().prop_map(Act::Touch),
        2 => any_id.clone().prop_map(Act::Remove),
        2 => (any_id, ttl).prop_map(|(id, ttl_ms)| Act::Expire(id, ttl_ms)),
        2 => prop_oneof![0_u64..100, 0_u64..50_000].prop_map(Act::Pass),
        1 => Just(Act::Evict),
    ]
}

proptest! {
    #[test]
    fn the_table_holds_what_a_map_would(acts in prop::collection::vec(act(), 1..400)) {
        let mut table = Table::new(1);
        let mut model: BTreeMap<u64, (u32, u64)> = BTreeMap::new();
        let mut now = 0_u64;
        for act in acts {
            match act {
                Act::Put { id, size, ttl_ms } => {
                    let expires = ttl_ms.map_or(NEVER, |ttl| now + ttl);
                    table.put(incoming(id, size, expires));
                    model.insert(id, (size, expires));
                }
                Act::Touch(id) => {
                    let found = table.find(id).and_then(|position| table.touch(position)).map(|slot| slot.id);
                    prop_assert_eq!(found, model.contains_key(&id).then_some(id));
                }
                Act::Remove(id) => {
                    let removed = table.remove_id(id).map(|slot| (slot.size, slot.expires_at_ms));
                    prop_assert_eq!(removed, model.remove(&id));
                }
                Act::Expire(id, ttl_ms) => {
                    let expires = ttl_ms.map_or(NEVER, |ttl| now + ttl);
                    if let Some(position) = table.find(id) {
                        table.set_expiry(position, expires);
                    }
                    if let Some(entry) = model.get_mut(&id) {
                        entry.1 = expires;
                    }
                }
                Act::Pass(ms) => {
                    now += ms;
                    let mut steps = 100_000;
                    while let Some(gone) = table.pop_expired(now, &mut steps) {
                        let (_, expires) = model.remove(&gone.id).unwrap();
                        prop_assert!(expires <= now);
                    }
                    prop_assert!(model.values().all(|(_, expires)| expires.saturating_add(16) >= now));
                }
                Act::Evict => {
                    let keep = model.keys().next().copied();
                    let evicted = table.sample(now, keep).and_then(|position| table.remove(position)).map(|slot| slot.id);
                    prop_assert_eq!(evicted.is_some(), model.len() > usize::from(keep.is_some()));
                    prop_assert!(evicted.is_none() || evicted != keep);
                    evicted.and_then(|id| model.remove(&id));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.used(), model.values().map(|(size, _)| u64::from(*size)).sum::<u64>());
            prop_assert_eq!(table.expiring(), model.values().filter(|(_, expires)| *expires != NEVER).count());
        }
        for (id, (size, expires)) in &model {
            let slot = table.find(*id).and_then(|position| table.slot(position)).unwrap();
            prop_assert_eq!((slot.id, slot.size, slot.expires_at_ms), (*id, *size, *expires));
            prop_assert_eq!(slot.payload.value().len(), *size as usize);
        }
        let bytes = model.values().map(|(size, _)| u64::from(*size) + 8 + ENTRY_OVERHEAD_BYTES).sum::<u64>();
        prop_assert_eq!(table.bytes(), bytes);
    }
}

#[test]
fn a_sample_takes_old_entries() {
    let mut table = Table::new(1);
    (0..1_000).for_each(|id| table.put(incoming(id, 1, NEVER)));
    // The second half is read again; of five at random, the oldest is nearly always of the first.
    for id in 500..1_000 {
        let position = table.find(id).unwrap();
        table.touch(position);
    }
    let evicted: Vec<u64> =
        (0..200).filter_map(|_| table.sample(0, None).and_then(|at| table.remove(at)).map(|slot| slot.id)).collect();
    assert_eq!(evicted.len(), 200);
    assert!(evicted.iter().filter(|id| **id < 500).count() > 170, "{evicted:?}");
}

#[test]
fn what_has_expired_goes_first() {
    let mut table = Table::new(1);
    table.put(incoming(1, 1, 50));
    table.put(incoming(2, 1, NEVER));
    let expired = table.find(1).unwrap();
    table.touch(expired);
    assert_eq!(table.sample(100, None).and_then(|at| table.slot(at)).map(|slot| slot.id), Some(1));
    assert_eq!(table.sample(10, None).and_then(|at| table.slot(at)).map(|slot| slot.id), Some(2));
}
