use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    ops::Bound,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bytes::Bytes;
use redb::{Builder, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

use crate::{Change, Operation, Precondition, Revision, Snapshot, StoreError, Transaction, Versioned};

const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Keys that are bound to a lease: leases end with the process, and whoever opens the file again takes them away.
const LEASED: TableDefinition<'_, &str, ()> = TableDefinition::new("leased");
const REVISION: &str = "revision";
const FORMAT: &str = "format";
/// Of the two tables above.
const FORMAT_VERSION: u64 = 1;
/// redb's default of 1 GiB is for databases; this holds a few thousand small values.
const CACHE_BYTES: usize = 8 << 20;

/// The file of an embedded store. Every method blocks, and a change is on the disk when it returns.
pub(crate) struct Database(redb::Database);

/// What a transaction did.
pub(crate) struct Applied {
    pub(crate) revision: Revision,
    pub(crate) changes: Vec<Change>,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(StoreError::unavailable)?;
        // The store holds the hash of the admin token: its owner reads it, nobody else.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = options.map_err(StoreError::unavailable)?;
        let database = match Builder::new().set_cache_size(CACHE_BYTES).create_file(file) {
            Ok(database) => Self(database),
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(StoreError::Locked { path: path.display().to_string() });
            }
            Err(error) => return Err(broken(error)),
        };
        database.prepare()?;
        database.end_leases()?;
        // A new file is there after a power loss only when its folder is written too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::unavailable)?;
        Ok(database)
    }

    /// Makes the tables of a new file and refuses the file of another format.
    fn prepare(&self) -> Result<(), StoreError> {
        let write = self.0.begin_write().map_err(broken)?;
        let format = {
            write.open_table(ENTRIES).map_err(broken)?;
            let mut meta = write.open_table(META).map_err(broken)?;
            let found = meta.get(FORMAT).map_err(broken)?.map(|format| format.value());
            if found.is_none() {
                meta.insert(FORMAT, FORMAT_VERSION).map_err(broken)?;
            }
            found
        };
        match format {
            None => write.commit().map_err(broken),
            Some(FORMAT_VERSION) => Ok(()),
            Some(other) => Err(StoreError::Invalid(format!(
                "the store has format {other}: this version reads format {FORMAT_VERSION}"
            ))),
        }
    }

    /// Takes away what was bound to the leases of an earlier process.
    fn end_leases(&self) -> Result<(), StoreError> {
        let read = self.0.begin_read().map_err(broken)?;
        let table = match read.open_table(LEASED) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        let mut operations = Vec::new();
        for entry in table.iter().map_err(broken)? {
            operations.push(Operation::delete(entry.map_err(broken)?.0.value()));
        }
        drop((table, read));
        self.apply(&Transaction { preconditions: Vec::new(), operations }).map(drop)
    }

    /// Of the last transaction that changed something.
    pub(crate) fn revision(&self) -> Result<Revision, StoreError> {
        let read = self.0.begin_read().map_err(broken)?;
        revision_of(&read.open_table(META).map_err(broken)?)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let read = self.0.begin_read().map_err(broken)?;
        let entries = read.open_table(ENTRIES).map_err(broken)?;
        Ok(entries.get(key).map_err(broken)?.map(|entry| versioned(entry.value())))
    }

    /// Up to `limit` keys that begin with `prefix` and are greater than `after`.
    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Snapshot, StoreError> {
        let read = self.0.begin_read().map_err(broken)?;
        let meta = read.open_table(META).map_err(broken)?;
        let revision = revision_of(&meta)?;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let table = read.open_table(ENTRIES).map_err(broken)?;
        let mut entries = BTreeMap::new();
        for entry in table.range::<&str>((from, Bound::Unbounded)).map_err(broken)?.take(limit) {
            let (key, entry) = entry.map_err(broken)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            entries.insert(key.value().to_owned(), versioned(entry.value()));
        }
        Ok(Snapshot { revision, entries })
    }

    /// Checks every precondition and applies every operation, or changes nothing.
    pub(crate) fn apply(&self, transaction: &Transaction) -> Result<Applied, StoreError> {
        let write = self.0.begin_write().map_err(broken)?;
        let applied = {
            let mut entries = write.open_table(ENTRIES).map_err(broken)?;
            let mut meta = write.open_table(META).map_err(broken)?;
            for (key, precondition) in &transaction.preconditions {
                check(&entries, key, *precondition)?;
            }
            let current = revision_of(&meta)?;
            let revision = Revision(current.0 + 1);
            let mut changes = Vec::with_capacity(transaction.operations.len());
            for operation in &transaction.operations {
                changes.extend(change(&mut entries, revision, operation)?);
            }
            if changes.is_empty() {
                return Ok(Applied { revision: current, changes });
            }
            meta.insert(REVISION, revision.0).map_err(broken)?;
            note_leased(&mut write.open_table(LEASED).map_err(broken)?, &transaction.operations)?;
            Applied { revision, changes }
        };
        write.commit().map_err(broken)?;
        Ok(applied)
    }
}

fn note_leased(leased: &mut Table<'_, &'static str, ()>, operations: &[Operation]) -> Result<(), StoreError> {
    for operation in operations {
        match operation {
            Operation::Put { key, lease: Some(_), .. } => drop(leased.insert(key.as_str(), ()).map_err(broken)?),
            Operation::Put { key, lease: None, .. } | Operation::Delete { key } => {
                drop(leased.remove(key.as_str()).map_err(broken)?);
            }
        }
    }
    Ok(())
}

fn check(
    entries: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    key: &str,
    precondition: Precondition,
) -> Result<(), StoreError> {
    let found = entries.get(key).map_err(broken)?.map(|entry| Revision(entry.value().0));
    let holds = match precondition {
        Precondition::Absent => found.is_none(),
        Precondition::Present => found.is_some(),
        Precondition::At(revision) => found == Some(revision),
    };
    if holds { Ok(()) } else { Err(StoreError::Conflict { key: key.to_owned(), found }) }
}

/// Applies one operation; none: it changed nothing.
fn change(
    entries: &mut Table<'_, &'static str, (u64, &'static [u8])>,
    revision: Revision,
    operation: &Operation,
) -> Result<Option<Change>, StoreError> {
    match operation {
        Operation::Put { key, value, .. } => {
            entries.insert(key.as_str(), (revision.0, value.as_ref())).map_err(broken)?;
            Ok(Some(Change { key: key.clone(), entry: Some(Versioned { value: value.clone(), revision }) }))
        }
        Operation::Delete { key } => {
            let there = entries.remove(key.as_str()).map_err(broken)?.is_some();
            Ok(there.then(|| Change { key: key.clone(), entry: None }))
        }
    }
}

fn revision_of(meta: &impl ReadableTable<&'static str, u64>) -> Result<Revision, StoreError> {
    Ok(Revision(meta.get(REVISION).map_err(broken)?.map_or(0, |revision| revision.value())))
}

fn versioned((revision, value): (u64, &[u8])) -> Versioned {
    Versioned { value: Bytes::copy_from_slice(value), revision: Revision(revision) }
}

fn broken(error: impl Into<redb::Error>) -> StoreError {
    StoreError::unavailable(error.into())
}
