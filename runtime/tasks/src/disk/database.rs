use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Builder, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Batch, log::Log, pending::Pending};
use crate::{Durability, TaskId, TasksError};

/// What changes while a task lives.
const TASKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tasks");
/// The jobs as they were pushed: written once, so that a lease does not write them again.
const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
/// Names of queues that hand nothing out.
const PAUSED: TableDefinition<'_, &str, ()> = TableDefinition::new("paused");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: &str = "format";
/// Of the tables above and the records in them.
const FORMAT_VERSION: u64 = 1;
/// The next task's number: numbers are not given twice, also when the last task is gone.
const NEXT_ID: &str = "next-id";
/// What the clock of the tasks said last.
const CLOCK: &str = "clock-ms";
/// Checkpoints so far: the log follows the last one.
const CHECKPOINT: &str = "checkpoint";
/// Tasks that differ between the log and the database at most, or there is a checkpoint.
const PENDING_MAX: usize = 8_192;
/// Bytes of the log beyond which there is a checkpoint. A start reads so much, and jobs among it are in memory meanwhile.
const LOG_BYTES_MAX: u64 = 32 << 20;
/// Pages that redb keeps. Its default of 1 GiB is for databases.
const CACHE_BYTES: usize = 64 << 20;

/// The files of the tasks. Every method blocks; one thread writes.
pub(crate) struct Database {
    pub(super) tables: redb::Database,
    log: Mutex<Log>,
    pub(super) pending: Mutex<Pending>,
}

/// What a file held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) records: Vec<(TaskId, Vec<u8>)>,
    pub(crate) paused: Vec<String>,
    pub(crate) next_id: u64,
    /// What the clock of the tasks said last.
    pub(crate) clock_ms: u64,
}

impl Database {
    /// Opens the database of this name and the log beside it.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, TasksError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(TasksError::disk)?;
        // Jobs are the applications' data: its owner reads them, nobody else.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = options.map_err(TasksError::disk)?;
        // redb locks the file, and with it the log.
        let tables = match Builder::new().set_cache_size(CACHE_BYTES).create_file(file) {
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(TasksError::Locked { path: path.display().to_string() });
            }
            opened => opened.map_err(broken)?,
        };
        prepare(&tables)?;
        let checkpoint = number(&tables, CHECKPOINT, 0)?;
        let (log, batches) =
            Log::open(&path.with_extension("log"), checkpoint, durability).map_err(TasksError::disk)?;
        let mut pending = Pending::default();
        batches.into_iter().for_each(|batch| pending.add(batch));
        // New files are there after a power loss only when their folder is written too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(TasksError::disk)?;
        let database = Self { tables, log: Mutex::new(log), pending: Mutex::new(pending) };
        database.checkpoint()?;
        Ok(database)
    }

    /// What the last checkpoint has: right after the opening that is everything.
    pub(crate) fn load(&self) -> Result<Content, TasksError> {
        let read = self.tables.begin_read().map_err(broken)?;
        let (next_id, clock_ms) = (number(&self.tables, NEXT_ID, 1)?, number(&self.tables, CLOCK, 0)?);
        let mut content = Content { next_id, clock_ms, ..Content::default() };
        for entry in read.open_table(TASKS).map_err(broken)?.iter().map_err(broken)? {
            let (id, record) = entry.map_err(broken)?;
            content.records.push((TaskId(id.value()), record.value().to_vec()));
        }
        for entry in read.open_table(PAUSED).map_err(broken)?.iter().map_err(broken)? {
            content.paused.push(entry.map_err(broken)?.0.value().to_owned());
        }
        Ok(content)
    }

    /// The job of a task, as it was pushed.
    pub(crate) fn job(&self, id: TaskId) -> Result<Option<Bytes>, TasksError> {
        // In this order: a checkpoint puts a job into the database before it forgets it here.
        if let Some(known) = self.pending.lock().job(id) {
            return Ok(known);
        }
        let read = self.tables.begin_read().map_err(broken)?;
        let jobs = read.open_table(JOBS).map_err(broken)?;
        Ok(jobs.get(id.0).map_err(broken)?.map(|job| Bytes::copy_from_slice(job.value())))
    }

    /// The job of a task where it is in memory; none: [`Self::job`] reads the disk for it. `Some(None)`: the task is gone.
    pub(crate) fn recent_job(&self, id: TaskId) -> Option<Option<Bytes>> {
        self.pending.lock().job(id)
    }

    /// Writes everything or nothing. When it returns, the batch is as safe as the durability says.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), TasksError> {
        self.log.lock().append(&batch).map_err(TasksError::disk)?;
        self.pending.lock().add(batch);
        Ok(())
    }

    /// Puts what the log has into the database where that has become much.
    pub(crate) fn tidy(&self) -> Result<(), TasksError> {
        let much = self.pending.lock().len() >= PENDING_MAX || self.log.lock().bytes() >= LOG_BYTES_MAX;
        if much { self.checkpoint() } else { Ok(()) }
    }

    pub(super) fn number_of_checkpoint(&self) -> Result<u64, TasksError> {
        number(&self.tables, CHECKPOINT, 0)
    }

    /// Puts what the log has into the database, on the disk whatever the durability is, and begins the log anew. A kill in
    /// between leaves a log of an earlier checkpoint, which does not count.
    pub(crate) fn checkpoint(&self) -> Result<(), TasksError> {
        let mut log = self.log.lock();
        if log.bytes() == 0 {
            return Ok(());
        }
        let batch = self.pending.lock().to_batch();
        let checkpoint = self.number_of_checkpoint()? + 1;
        store(&self.tables, &batch, checkpoint)?;
        log.restart(checkpoint).map_err(TasksError::disk)?;
        *self.pending.lock() = Pending::default();
        Ok(())
    }
}

/// A number of the table of numbers.
fn number(tables: &redb::Database, key: &str, default: u64) -> Result<u64, TasksError> {
    let read = tables.begin_read().map_err(broken)?;
    let meta = read.open_table(META).map_err(broken)?;
    Ok(meta.get(key).map_err(broken)?.map_or(default, |number| number.value()))
}

pub(super) fn store(tables: &redb::Database, batch: &Batch, checkpoint: u64) -> Result<(), TasksError> {
    let write = tables.begin_write().map_err(broken)?;
    {
        let mut tasks = write.open_table(TASKS).map_err(broken)?;
        let mut jobs = write.open_table(JOBS).map_err(broken)?;
        for (id, record, job) in &batch.puts {
            tasks.insert(id.0, record.as_slice()).map_err(broken)?;
            if let Some(job) = job {
                jobs.insert(id.0, job.as_ref()).map_err(broken)?;
            }
        }
        for id in &batch.removes {
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
        meta.insert(NEXT_ID, batch.next_id).map_err(broken)?;
        meta.insert(CLOCK, batch.clock_ms).map_err(broken)?;
        meta.insert(CHECKPOINT, checkpoint).map_err(broken)?;
    }
    write.commit().map_err(broken)
}

/// Makes the tables of a new file and refuses the file of another format.
fn prepare(tables: &redb::Database) -> Result<(), TasksError> {
    let write = tables.begin_write().map_err(broken)?;
    {
        write.open_table(TASKS).map_err(broken)?;
        write.open_table(JOBS).map_err(broken)?;
        write.open_table(PAUSED).map_err(broken)?;
        let mut meta = write.open_table(META).map_err(broken)?;
        let found = meta.get(FORMAT).map_err(broken)?.map(|format| format.value());
        match found {
            Some(FORMAT_VERSION) => {}
            Some(other) => {
                let message = format!("the tasks have format {other}: this version reads format {FORMAT_VERSION}");
                return Err(TasksError::Format(message));
            }
            None => drop(meta.insert(FORMAT, FORMAT_VERSION).map_err(broken)?),
        }
    }
    write.commit().map_err(broken)
}

fn broken(error: impl Into<redb::Error>) -> TasksError {
    TasksError::disk(error.into())
}
