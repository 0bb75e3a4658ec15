//! F16: whatever a bit or a cut does to a file of the node, it is found.

use std::{fs, path::Path};

use proptest::{prelude::*, test_runner::Config};
use switchyard_host::State;
use switchyard_plan::DesiredState;
use switchyard_store::Snapshot;
use switchyard_types::{Digest, Generation, SlotId, StrategyKind};

use super::{DataFolder, LocalBlobs, Received, Records, StateOwner, States};

const TRIALS: u32 = 1_000;

/// One bit, or everything after some byte.
#[derive(Debug, Clone)]
enum Damage {
    Bit(prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..8u8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
    ]
}

/// Damages a file in every trial. What it was and is stands on disk: nothing is faked.
fn check(path: &Path, is_found: impl Fn() -> bool) {
    let good = fs::read(path).unwrap();
    proptest!(Config { cases: TRIALS, ..Config::default() }, |(damage in any_damage())| {
        let mut bytes = good.clone();
        match &damage {
            Damage::Bit(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
        fs::write(path, &bytes).unwrap();
        prop_assert!(is_found(), "{damage:?}");
    });
    fs::write(path, &good).unwrap();
    assert!(!is_found(), "the good one is taken");
}

#[test]
fn damage_to_a_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let state = DesiredState { generation: Generation { epoch: 1, counter: 7 }, ..DesiredState::default() };
    let received = Received::default();
    data.write_received(&Snapshot::default()).unwrap();
    data.write_healthy(&state).unwrap();
    data.write_rejected(&vec![Digest::of(b"state")]).unwrap();
    let whole = || data.records();
    check(&data.join("received.json"), || whole() == Records { received: None, healthy: Some(state.clone()) });
    check(&data.join("healthy.json"), || whole() == Records { received: Some(received.clone()), healthy: None });
    check(&data.join("rejected-states.json"), || data.rejected().is_empty());
}

#[test]
fn damage_to_a_state_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let states = States::open(folder.path().to_owned(), &[7; 16]).unwrap();
    let owner = StateOwner {
        slot: SlotId { kind: StrategyKind::Caching, target: String::new() },
        strategy: "sessions".parse().unwrap(),
        plugin: "caching-lru".parse().unwrap(),
        shard: "0-of-1".to_owned(),
    };
    states.write(&owner, &State { format: "lru/1".to_owned(), bytes: [5; 300].into() }).unwrap();
    let inner = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(inner).unwrap().next().unwrap().unwrap().path();
    check(&file, || states.read(&owner).is_none());
}

#[test]
fn damage_to_a_plugin_is_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path()).unwrap();
    let digest = runtime.block_on(blobs.put(&[9; 4_000])).unwrap();
    check(&folder.path().join(digest.hex()), || runtime.block_on(blobs.get(&digest)).unwrap().is_none());
}
