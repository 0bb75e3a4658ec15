use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use super::Batch;
use crate::Durability;

/// Before every batch: its length and its checksum, four bytes each.
const HEADER_BYTES: usize = 8;

/// Changes in the order in which they were made.
///
/// A batch counts when its checksum is right. The checksum begins with the number of the checkpoint that the log follows,
/// so that what an earlier life of the file has left behind it is not taken for a batch. The first one that does not count ends
/// the log: its write was cut short, and nobody was answered for it.
///
/// A kill keeps every write that the system has taken, which is all that [`Durability::Process`] promises.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    bytes: u64,
    checkpoint: u64,
    durability: Durability,
    /// Kept between batches for its room.
    buffer: Vec<u8>,
}

impl Log {
    /// Opens the log that follows this checkpoint, and returns what it has.
    pub(super) fn open(path: &Path, checkpoint: u64, durability: Durability) -> io::Result<(Self, Vec<Batch>)> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = options?;
        let content = std::fs::read(path)?;
        let (batches, used) = read(&content, checkpoint);
        if used < content.len() {
            tracing::info!(
                bytes = content.len() - used,
                "the end of the log of tasks was cut short or is of an earlier one"
            );
        }
        Ok((Self { file, bytes: used as u64, checkpoint, durability, buffer: Vec::new() }, batches))
    }

    /// Appends a batch. When it returns, the batch is as safe as the durability says.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        batch.write(buffer);
        let (header, body) = buffer.split_at_mut(HEADER_BYTES);
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let head = u64::from(length) | u64::from(checksum(self.checkpoint, body)) << 32;
        header.copy_from_slice(&head.to_le_bytes());
        self.file.write_all_at(buffer, self.bytes)?;
        self.bytes += buffer.len() as u64;
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => self.file.sync_data(),
        }
    }

    /// Begins anew: everything so far is in a checkpoint of this number, and that is on the disk.
    pub(super) fn restart(&mut self, checkpoint: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        self.bytes = 0;
        self.checkpoint = checkpoint;
        // A batch of jobs was large; the next ones need not be.
        self.buffer = Vec::new();
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn checksum(checkpoint: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&checkpoint.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The batches that count, and how many bytes they take.
fn read(content: &[u8], checkpoint: u64) -> (Vec<Batch>, usize) {
    let (mut batches, mut rest) = (Vec::new(), content);
    while let Some((batch, after)) = next(rest, checkpoint) {
        batches.push(batch);
        rest = after;
    }
    (batches, content.len() - rest.len())
}

fn next(rest: &[u8], checkpoint: u64) -> Option<(Batch, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    if checksum(checkpoint, body) != u32::from_le_bytes(*expected) {
        return None;
    }
    Some((Batch::read(body).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    fn batch(id: u64) -> Batch {
        Batch { puts: vec![(TaskId(id), vec![b'r'; id as usize], None)], next_id: id, ..Batch::default() }
    }

    #[test]
    fn what_was_cut_short_is_not_there_and_the_rest_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, found) = Log::open(&path, 3, Durability::Disk).unwrap();
        assert!(found.is_empty());
        (1..=3).for_each(|id| log.append(&batch(id)).unwrap());
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..=whole.len()).filter(|end| read(&whole[..*end], 3).1 == *end).collect();
        assert_eq!(ends.len(), 4);
        for end in 0..whole.len() {
            let count = ends.iter().filter(|whole| **whole > 0 && **whole <= end).count();
            assert_eq!(read(&whole[..end], 3).0.len(), count);
            let mut broken = whole.clone();
            broken[end] ^= 1;
            assert!(read(&broken, 3).0.len() < 3);
        }
        assert_eq!(read(&whole, 4).0, [], "another checkpoint's");
        assert_eq!(read(&[0; 64], 3).0, [], "a hole in the file");
    }

    #[test]
    fn a_log_goes_on_behind_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = Log::open(&path, 1, Durability::Process).unwrap();
        log.append(&batch(1)).unwrap();
        let (mut log, found) = Log::open(&path, 1, Durability::Process).unwrap();
        assert_eq!(found, [batch(1)]);
        log.append(&batch(2)).unwrap();
        assert_eq!(Log::open(&path, 1, Durability::Process).unwrap().1, [batch(1), batch(2)]);
        log.restart(2).unwrap();
        log.append(&batch(3)).unwrap();
        assert_eq!(Log::open(&path, 2, Durability::Process).unwrap().1, [batch(3)]);
    }
}
