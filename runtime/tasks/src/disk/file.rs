use std::{fs::File, io, os::unix::fs::FileExt};

use redb::StorageBackend;

use crate::Durability;

/// The file under redb.
///
/// redb has two kinds of commit: `None` keeps the pages in this process, so that a kill loses them; `Immediate` writes the
/// pages, writes the header, and has the file synced. `Durability::Process` is an `Immediate` commit whose sync does nothing.
/// A kill keeps every write that was made, in the order in which they were made: a crash that redb's recovery is built for,
/// and a milder one than a power loss, in which writes between two syncs may be lost in any order. Only a power loss can
/// then find a file in which neither of the two roots is whole, which is what `Durability::Process` says.
#[derive(Debug)]
pub(super) struct TaskFile {
    file: File,
    durability: Durability,
}

impl TaskFile {
    /// Takes the file for this process alone. None: another process has it.
    pub(super) fn lock(file: File, durability: Durability) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, durability })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// redb's own locks are not offered: the file is locked whole, for as long as it is open.
impl StorageBackend for TaskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    /// Nothing is left behind when the file is closed in order, whatever was promised before.
    fn close(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
