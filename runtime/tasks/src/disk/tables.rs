//! The tables of the database: one place names them, and their format.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::Batch;
use crate::{TaskId, TasksError};

/// What changes while a task lives.
const TASKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tasks");
/// The jobs as they were pushed: written once, so that a lease does not write them again.
const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
/// What tasks do not have in memory of their last failures: JSON.
const DETAILS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("details");
/// Names of queues that hand nothing out.
const PAUSED: TableDefinition<'_, &str, ()> = TableDefinition::new("paused");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: &str = "format";
/// Of the tables above, the records in them, and the log.
const FORMAT_VERSION: u64 = 2;
/// The next task's number: numbers are not given twice, also when the last task is gone.
const NEXT_ID: &str = "next-id";
/// What the clock of the tasks said last.
const CLOCK: &str = "clock-ms";
/// The number of the first batch that is not in here.
const NEXT_BATCH: &str = "next-batch";

/// What the files held when they were opened.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) records: BTreeMap<TaskId, Vec<u8>>,
    pub(crate) paused: BTreeSet<String>,
    pub(crate) next_id: u64,
    /// What the clock of the tasks said last.
    pub(crate) clock_ms: u64,
}

/// Makes the tables of a new file and refuses the file of another format. A file that has its tables is not written to: the
/// disk may be full.
pub(super) fn prepare(database: &Database) -> Result<(), TasksError> {
    match number(database, FORMAT)? {
        Some(FORMAT_VERSION) => Ok(()),
        Some(other) => {
            let message = format!("the tasks have format {other}: this version reads format {FORMAT_VERSION}");
            Err(TasksError::Format(message))
        }
        None => {
            let write = database.begin_write().map_err(broken)?;
            write.open_table(TASKS).map_err(broken)?;
            write.open_table(JOBS).map_err(broken)?;
            write.open_table(DETAILS).map_err(broken)?;
            write.open_table(PAUSED).map_err(broken)?;
            write.open_table(META).map_err(broken)?.insert(FORMAT, FORMAT_VERSION).map_err(broken)?;
            write.commit().map_err(broken)
        }
    }
}

/// Everything but the jobs.
pub(super) fn load(database: &Database) -> Result<Content, TasksError> {
    let read = database.begin_read().map_err(broken)?;
    let clock_ms = number(database, CLOCK)?.unwrap_or(0);
    let mut content = Content { next_id: next_id(database)?, clock_ms, ..Content::default() };
    for entry in read.open_table(TASKS).map_err(broken)?.iter().map_err(broken)? {
        let (id, record) = entry.map_err(broken)?;
        content.records.insert(TaskId(id.value()), record.value().to_vec());
    }
    for entry in read.open_table(PAUSED).map_err(broken)?.iter().map_err(broken)? {
        content.paused.insert(entry.map_err(broken)?.0.value().to_owned());
    }
    Ok(content)
}

pub(super) fn job(database: &Database, id: TaskId) -> Result<Option<Bytes>, TasksError> {
    bytes(database, JOBS, id)
}

pub(super) fn detail(database: &Database, id: TaskId) -> Result<Option<Bytes>, TasksError> {
    bytes(database, DETAILS, id)
}

fn bytes(database: &Database, table: TableDefinition<'_, u64, &[u8]>, id: TaskId) -> Result<Option<Bytes>, TasksError> {
    let read = database.begin_read().map_err(broken)?;
    let table = read.open_table(table).map_err(broken)?;
    Ok(table.get(id.0).map_err(broken)?.map(|bytes| Bytes::copy_from_slice(bytes.value())))
}

pub(super) fn has_job(database: &Database, id: TaskId) -> Result<bool, TasksError> {
    let read = database.begin_read().map_err(broken)?;
    Ok(read.open_table(JOBS).map_err(broken)?.get(id.0).map_err(broken)?.is_some())
}

pub(super) fn next_id(database: &Database) -> Result<u64, TasksError> {
    Ok(number(database, NEXT_ID)?.unwrap_or(1))
}

/// The number of the first batch that is not in here.
pub(super) fn next_batch(database: &Database) -> Result<u64, TasksError> {
    Ok(number(database, NEXT_BATCH)?.unwrap_or(0))
}

fn number(database: &Database, key: &str) -> Result<Option<u64>, TasksError> {
    let read = database.begin_read().map_err(broken)?;
    match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        meta => Ok(meta.map_err(broken)?.get(key).map_err(broken)?.map(|number| number.value())),
    }
}

/// Writes everything or nothing, to the disk whatever the durability is: all batches before `next_batch` are then in here.
pub(super) fn store(database: &Database, batch: &Batch, next_batch: u64) -> Result<(), TasksError> {
    let write = database.begin_write().map_err(broken)?;
    {
        let mut tasks = write.open_table(TASKS).map_err(broken)?;
        let mut jobs = write.open_table(JOBS).map_err(broken)?;
        for (id, record, job) in &batch.puts {
            tasks.insert(id.0, record.as_slice()).map_err(broken)?;
            if let Some(job) = job {
                jobs.insert(id.0, job.as_ref()).map_err(broken)?;
            }
        }
        let mut details = write.open_table(DETAILS).map_err(broken)?;
        for (id, detail) in &batch.details {
            details.insert(id.0, detail.as_ref()).map_err(broken)?;
        }
        for id in &batch.removes {
            details.remove(id.0).map_err(broken)?;
            tasks.remove(id.0).map_err(broken)?;
            jobs.remove(id.0).map_err(broken)?;
        }
        let mut paused = write.open_table(PAUSED).map_err(broken)?;
        for (queue, is_paused) in &batch.paused {
            match is_paused {
                true => drop(paused.insert(queue.as_str(), ()).map_err(broken)?),
                false => drop(paused.remove(queue.as_str()).map_err(broken)?),
            }
        }
        let mut meta = write.open_table(META).map_err(broken)?;
        for (key, new) in [(NEXT_ID, batch.next_id), (CLOCK, batch.clock_ms)] {
            // Neither goes back.
            let old = meta.get(key).map_err(broken)?.map_or(0, |old| old.value());
            meta.insert(key, new.max(old)).map_err(broken)?;
        }
        meta.insert(NEXT_BATCH, next_batch).map_err(broken)?;
    }
    write.commit().map_err(broken)
}

pub(super) fn broken(error: impl Into<redb::Error>) -> TasksError {
    TasksError::disk(error.into())
}
