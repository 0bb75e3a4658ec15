//! The queues in writing: what a host cannot know. One byte for `filling`, then a record for every id, queue by queue
//! and front to back: id (u64), size (u32), queue and hits (u8: queue × 4 + hits), all little-endian.

use crate::policy::{GHOST, HITS_MAX, MAIN, Policy, SMALL};

/// Raised with every change of the layout.
pub(crate) const FORMAT: &str = "caching-s3fifo/1";

/// What the contract lets a state take, in bytes.
const STATE_BYTES_MAX: usize = 4 << 20;
const RECORD_BYTES: usize = 13;
const RECORDS_MAX: usize = (STATE_BYTES_MAX - 1) / RECORD_BYTES;

/// Where they do not all fit, the oldest ghosts are left out first: they are the next to be forgotten anyway.
pub(crate) fn write(policy: &Policy) -> Vec<u8> {
    let queues = &policy.queues;
    let residents = queues.iter(SMALL).chain(queues.iter(MAIN)).count();
    let ghosts_left_out = queues.iter(GHOST).count().saturating_sub(RECORDS_MAX.saturating_sub(residents));
    let ghosts = queues.iter(GHOST).skip(ghosts_left_out);
    let mut bytes = vec![u8::from(policy.filling)];
    for item in queues.iter(SMALL).chain(queues.iter(MAIN)).chain(ghosts).take(RECORDS_MAX) {
        bytes.extend_from_slice(&item.id.to_le_bytes());
        bytes.extend_from_slice(&item.size.to_le_bytes());
        bytes.push((item.queue as u8) << 2 | item.value);
    }
    bytes
}

/// Puts what was written behind what the queues hold. After an error the queues are as they were.
pub(crate) fn read(bytes: &[u8], policy: &mut Policy) -> Result<(), String> {
    let malformed = || format!("the state has {} bytes that are not of the format {FORMAT:?}", bytes.len());
    let Some((filling @ 0..=1, records)) = bytes.split_first() else { return Err(malformed()) };
    let (records, []) = records.as_chunks::<RECORD_BYTES>() else { return Err(malformed()) };
    let items: Option<Vec<_>> = records.iter().map(record).collect();
    for (id, size, queue, hits) in items.ok_or_else(malformed)? {
        policy.queues.push_back(queue, id, size, hits);
    }
    policy.filling = *filling == 1;
    Ok(())
}

fn record(bytes: &[u8; RECORD_BYTES]) -> Option<(u64, u32, usize, u8)> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (size, rest) = rest.split_first_chunk()?;
    let [tag] = rest else { return None };
    let (queue, hits) = (usize::from(tag >> 2), tag & HITS_MAX);
    (queue <= GHOST).then_some((u64::from_le_bytes(*id), u32::from_le_bytes(*size), queue, hits))
}

#[cfg(test)]
mod tests {
    use switchyard_sdk::caching::Victims;

    use super::*;
    use crate::Configuration;

    fn policy(capacity: u64) -> Policy {
        let mut policy = Policy::new(&Configuration::default());
        policy.resize(&Configuration::default(), capacity);
        policy
    }

    fn written(ids: std::ops::Range<u64>) -> Vec<u8> {
        let mut policy = policy(10);
        ids.for_each(|id| policy.queues.push_back(id as usize % 3, id, 1, id as u8 % 4));
        write(&policy)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut read_back = policy(10);
        assert_eq!(read(&written(0..20), &mut read_back), Ok(()));
        assert_eq!(write(&read_back), written(0..20));
    }

    #[test]
    fn what_is_malformed_is_refused_and_changes_nothing() {
        let good = written(0..2);
        let mut wrong_queue = good.clone();
        wrong_queue.extend([&[0; 12][..], &[3 << 2]].concat());
        let mut wrong_flag = good.clone();
        wrong_flag[0] = 2;
        for bytes in [&[][..], &good[..good.len() - 1], &wrong_queue, &wrong_flag] {
            let mut policy = policy(10);
            assert!(read(bytes, &mut policy).is_err(), "{bytes:?}");
            assert_eq!(write(&policy), [1]);
        }
    }

    #[test]
    fn a_state_stays_within_its_bound_and_leaves_out_the_oldest_ghosts() {
        let mut policy = policy(10);
        policy.queues.push_back(MAIN, u64::MAX, 1, 2);
        (0..RECORDS_MAX as u64 + 5).for_each(|id| policy.queues.push_back(GHOST, id, 1, 0));
        let bytes = write(&policy);
        assert!(bytes.len() <= STATE_BYTES_MAX && bytes.len() > STATE_BYTES_MAX - RECORD_BYTES);
        let mut read_back = self::policy(10);
        read(&bytes, &mut read_back).unwrap();
        assert_eq!(read_back.queues.get(u64::MAX).map(|item| item.value), Some(2));
        assert_eq!(read_back.queues.front(GHOST).map(|item| item.id), Some(6));
        read_back.enter(6, 1, Some(&mut Victims::default()));
        assert_eq!(read_back.queues.get(6).map(|item| item.queue), Some(MAIN));
    }
}
