use std::{collections::BTreeMap, io, path::Path};

use super::{Batch, entry::Entry};

/// What the logs have that the database has not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Of each file.
    pub(super) found: [Found; 2],
    /// The number of the next batch.
    pub(super) next: u64,
    /// Bytes at the end of a log that were cut short: nobody was answered for them.
    pub(super) cut_bytes: usize,
    pub(super) damage: Damage,
}

/// What one file of the log has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In the order in which they were written.
    pub(super) batches: Vec<Batch>,
    /// The number of the first one.
    pub(super) first: Option<u64>,
    /// Where it goes on, in bytes.
    pub(super) end: u64,
}

/// What was written, and does not read any more. A kill does not do this; a disk does, a hand, or, at durability `process`, a
/// power loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Batches that were there.
    pub(crate) batches: u64,
    /// Bytes that were no part of a batch that can be read.
    pub(crate) bytes: u64,
    /// Tasks that later batches speak of and of which no job is left.
    pub(crate) tasks: u64,
}

impl Damage {
    pub(super) fn is_none(&self) -> bool {
        self.batches == 0
    }
}

/// Reads logs, in whatever order. Batches before `next` are in the database: a log of them was about to be emptied.
///
/// A batch that cannot be read takes nothing with it but itself. What later ones say of its tasks is a whole record each, so
/// that at worst a task is as it was before it (it runs again), and one whose job was in it cannot be had any more.
pub(super) fn recover(logs: &[Vec<u8>; 2], next: u64) -> Recovery {
    let mut recovery = Recovery { next, ..Recovery::default() };
    // Whether it can be read.
    let mut numbers: BTreeMap<u64, bool> = BTreeMap::new();
    for (log, found) in logs.iter().zip(&mut recovery.found) {
        let mut rest = log.as_slice();
        while !rest.is_empty() {
            let before = rest.len();
            rest = match Entry::read(rest) {
                Entry::Whole(number, batch, after) => {
                    if number >= next {
                        numbers.insert(number, true);
                        found.batches.push(batch);
                        found.first.get_or_insert(number);
                        found.end = (log.len() - after.len()) as u64;
                    }
                    after
                }
                Entry::Broken(number, after) => {
                    numbers.entry(number).or_insert(false);
                    recovery.damage.bytes += (before - after.len()) as u64;
                    after
                }
                Entry::Unknown(after) => {
                    recovery.damage.bytes += (before - after.len()) as u64;
                    after
                }
                Entry::Cut => {
                    recovery.cut_bytes += before;
                    &[]
                }
            };
        }
    }
    for (number, is_read) in numbers.split_off(&next) {
        recovery.damage.batches += number - recovery.next + u64::from(!is_read);
        recovery.next = number + 1;
    }
    recovery
}

impl Recovery {
    /// Which file takes what comes: the one with the newer batches.
    pub(super) fn is_second_newer(&self) -> bool {
        let [first, second] = &self.found;
        second.first > first.first
    }
}

/// Keeps a log that has damage, under a name with the number of the next batch: another name for the same bytes, which needs
/// no room, and the same one when this is done again.
pub(super) fn set_aside(path: &Path, next: u64) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".corrupt-{next}"));
    match std::fs::hard_link(path, &name) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => Ok(()),
        // Not every file system has two names for one file.
        Err(_) => std::fs::copy(path, &name).map(drop),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        TaskId,
        disk::entry::{HEADER_BYTES, Header},
    };

    fn batch(id: u64) -> Batch {
        Batch { puts: vec![(TaskId(id), vec![b'r'; id as usize], None)], next_id: id, ..Batch::default() }
    }

    fn log(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut log = Vec::new();
        for number in numbers {
            let mut entry = vec![0; HEADER_BYTES];
            batch(number).write(&mut entry);
            Header::write(number, &mut entry).unwrap();
            log.extend(entry);
        }
        log
    }

    /// The batches that are read, how many are missing, and how many bytes were cut.
    fn check(logs: [Vec<u8>; 2], next: u64, expected: &[u64], missing: u64) -> Recovery {
        let recovery = recover(&logs, next);
        let [first, second] = &recovery.found;
        let read = if recovery.is_second_newer() { [first, second] } else { [second, first] };
        let read: Vec<Batch> = read.into_iter().flat_map(|found| found.batches.clone()).collect();
        assert_eq!(read, expected.iter().copied().map(batch).collect::<Vec<_>>());
        assert_eq!(recovery.damage.batches, missing);
        recovery
    }

    #[test]
    fn logs_are_read_in_the_order_of_their_batches_and_old_ones_do_not_count() {
        check([log([]), log([])], 7, &[], 0);
        check([log(3..5), log(1..3)], 1, &[1, 2, 3, 4], 0);
        check([log(1..5), log([])], 3, &[3, 4], 0);
        assert_eq!(check([log([]), log(1..3)], 7, &[], 0).next, 7);
    }

    #[test]
    fn what_was_cut_short_is_not_there_and_is_no_damage() {
        let whole = log(1..4);
        let ends: Vec<usize> = (0..=3).map(|count| log(1..1 + count).len()).collect();
        for end in 0..=whole.len() {
            let count = ends.iter().filter(|whole| **whole > 0 && **whole <= end).count() as u64;
            let recovery = check([whole[..end].to_vec(), log([])], 1, &(1..1 + count).collect::<Vec<_>>(), 0);
            assert_eq!((recovery.cut_bytes, recovery.damage.bytes), (end - ends[count as usize], 0));
            assert_eq!(recovery.found[0].end, ends[count as usize] as u64);
        }
        let hole = [whole, vec![0; 64]].concat();
        assert_eq!(check([log([]), hole], 1, &[1, 2, 3], 0).cut_bytes, 64);
    }

    #[test]
    fn a_flipped_bit_takes_the_batch_that_it_is_in_and_no_other() {
        let whole = log(1..4);
        let (first, last) = (log(1..2).len(), log(1..3).len());
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            let left: &[u64] = if at < first {
                &[2, 3]
            } else if at < last {
                &[1, 3]
            } else {
                &[1, 2]
            };
            // The header of the last batch of all cannot be told from a write that was cut short.
            let told = u64::from(!(last..last + HEADER_BYTES).contains(&at));
            check([broken, log([])], 1, left, told);
        }
    }

    #[test]
    fn what_is_missing_between_two_logs_is_damage() {
        let mut first = log(1..4);
        first.truncate(first.len() - 1);
        assert_eq!(check([first, log(4..6)], 1, &[1, 2, 4, 5], 1).next, 6);
        check([log(3..5), log([])], 1, &[3, 4], 2);
    }
}
