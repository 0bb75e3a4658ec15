use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bytes::Bytes;
use redb::{Builder, ReadableDatabase, ReadableTable, TableDefinition};

use super::file::TaskFile;
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
/// Pages that redb keeps. Its default of 1 GiB is for databases.
const CACHE_BYTES: usize = 64 << 20;

/// The file of the tasks. Every method blocks.
pub(crate) struct Database(redb::Database);

/// What one commit writes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Records, with the job where it is new.
    pub(crate) puts: Vec<(TaskId, Vec<u8>, Option<Bytes>)>,
    pub(crate) removes: Vec<TaskId>,
    pub(crate) paused: Vec<(String, bool)>,
    pub(crate) next_id: u64,
}

/// What a file held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) records: Vec<(TaskId, Vec<u8>)>,
    pub(crate) paused: Vec<String>,
    pub(crate) next_id: u64,
}

impl Database {
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, TasksError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(TasksError::disk)?;
        // Jobs are the applications' data: its owner reads them, nobody else.
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let Some(file) = TaskFile::lock(options.map_err(TasksError::disk)?, durability).map_err(TasksError::disk)?
        else {
            return Err(TasksError::Locked { path: path.display().to_string() });
        };
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file).map_err(broken)?;
        let database = Self(database);
        database.prepare()?;
        // A new file is there after a power loss only when its folder is written too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(TasksError::disk)?;
        Ok(database)
    }

    /// Makes the tables of a new file and refuses the file of another format.
    fn prepare(&self) -> Result<(), TasksError> {
        let write = self.0.begin_write().map_err(broken)?;
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

    pub(crate) fn load(&self) -> Result<Content, TasksError> {
        let read = self.0.begin_read().map_err(broken)?;
        let meta = read.open_table(META).map_err(broken)?;
        let next_id = meta.get(NEXT_ID).map_err(broken)?.map_or(1, |next| next.value());
        let mut content = Content { next_id, ..Content::default() };
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
        let read = self.0.begin_read().map_err(broken)?;
        let jobs = read.open_table(JOBS).map_err(broken)?;
        Ok(jobs.get(id.0).map_err(broken)?.map(|job| Bytes::copy_from_slice(job.value())))
    }

    /// Writes everything or nothing. When it returns, the batch is as safe as the file's durability says.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), TasksError> {
        let write = self.0.begin_write().map_err(broken)?;
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
            write.open_table(META).map_err(broken)?.insert(NEXT_ID, batch.next_id).map_err(broken)?;
        }
        if !batch.paused.is_empty() {
            let mut paused = write.open_table(PAUSED).map_err(broken)?;
            for (queue, is_paused) in &batch.paused {
                match is_paused {
                    true => drop(paused.insert(queue.as_str(), ()).map_err(broken)?),
                    false => drop(paused.remove(queue.as_str()).map_err(broken)?),
                }
            }
        }
        write.commit().map_err(broken)
    }
}

fn broken(error: impl Into<redb::Error>) -> TasksError {
    TasksError::disk(error.into())
}
