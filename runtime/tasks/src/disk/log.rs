use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use super::{
    Batch,
    entry::{HEADER_BYTES, Header},
};
use crate::Durability;

/// Changes in the order in which they were made, in two files: while what one has is put into the database, the other takes
/// what comes.
///
/// A kill keeps every write that the system has taken, which is all that [`Durability::Process`] promises.
#[derive(Debug)]
pub(super) struct Log {
    active: Arc<File>,
    other: Arc<File>,
    /// In the active file.
    bytes: u64,
    /// The number of the next batch.
    next: u64,
    durability: Durability,
    /// Kept between batches for its room.
    buffer: Vec<u8>,
}

impl Log {
    /// A log that goes on in the first of two files, behind so many bytes.
    pub(super) fn new([active, other]: [File; 2], bytes: u64, next: u64, durability: Durability) -> Self {
        Self { active: Arc::new(active), other: Arc::new(other), bytes, next, durability, buffer: Vec::new() }
    }

    /// The file that takes nothing now.
    pub(super) fn other(&self) -> Arc<File> {
        Arc::clone(&self.other)
    }

    /// Appends a batch. When it returns, the batch is as safe as the durability says. After an error nobody knows what the
    /// file has.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        batch.write(buffer);
        Header::write(self.next, buffer).ok_or(io::ErrorKind::FileTooLarge)?;
        self.active.write_all_at(buffer, self.bytes)?;
        self.bytes += buffer.len() as u64;
        self.next += 1;
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => self.active.sync_data(),
        }
    }

    /// Goes on in the other file, which is empty. What is returned is full: it is emptied once the database has it, on the
    /// disk, and before the next turn.
    pub(super) fn turn(&mut self) -> Arc<File> {
        std::mem::swap(&mut self.active, &mut self.other);
        self.bytes = 0;
        // A batch of jobs was large; the next ones need not be.
        self.buffer = Vec::new();
        Arc::clone(&self.other)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the next batch.
    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

/// Opens a file of the log, or makes it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Jobs are the applications' data: its owner reads them, nobody else.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
