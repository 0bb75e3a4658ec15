use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Builder, DatabaseError};

use super::{
    Batch,
    log::{self, Log},
    pending::{Pending, Pendings},
    recovery::{self, Damage, Recovery},
    tables::{self, Content, broken},
};
use crate::{Durability, TaskId, TasksError};

/// Tasks that differ between a file of the log and the database at most, or there is a checkpoint.
const PENDING_MAX: usize = 8_192;
/// How often over what a checkpoint waits for may gather while one is under way, before changes wait for it. A start reads
/// as much, and jobs among it are in memory meanwhile.
const GROWTH_MAX: u64 = 4;
/// Pages that redb keeps. Its default of 1 GiB is for databases.
const CACHE_BYTES: usize = 64 << 20;
/// Extensions of the two files of the log.
const LOGS: [&str; 2] = ["0.log", "1.log"];
/// Lost tasks that the log of the process names.
const ORPHANS_NAMED_MAX: usize = 20;

/// What opening the files takes.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The database; its log is beside it.
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    /// Bytes of the log beyond which there is a checkpoint.
    pub(crate) log_bytes_max: u64,
}

/// The files of the tasks. Every method blocks; one thread writes.
pub(crate) struct Database {
    pub(super) tables: Arc<redb::Database>,
    log: Mutex<Log>,
    pending: Arc<Mutex<Pendings>>,
    log_bytes_max: u64,
    /// The checkpoint that is under way.
    checkpoint: Mutex<Option<JoinHandle<Result<(), TasksError>>>>,
    /// A checkpoint that somebody else has begun: it comes before others.
    left: Mutex<Option<Sealed>>,
    damage: Damage,
}

impl Database {
    /// Opens the database and the log beside it. Nothing is written unless something is new or damaged: where the disk is
    /// full, it goes on as soon as there is room for the next change.
    pub(crate) fn open(files: &Files) -> Result<Self, TasksError> {
        let Files { path, durability, log_bytes_max } = files;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(TasksError::disk)?;
        // redb locks the file, and with it the log.
        let tables =
            match Builder::new().set_cache_size(CACHE_BYTES).create_file(log::open(path).map_err(TasksError::disk)?) {
                Err(DatabaseError::DatabaseAlreadyOpen) => {
                    return Err(TasksError::Locked { path: path.display().to_string() });
                }
                opened => opened.map_err(broken)?,
            };
        tables::prepare(&tables)?;
        let logs = LOGS.map(|extension| path.with_extension(extension));
        let mut recovery = look(&tables, &logs)?;
        if !recovery.damage.is_none() {
            recovery = settle(&tables, &logs, recovery)?;
        }
        let damage = recovery.damage;
        let [first, second] = &logs;
        let opened = [log::open(first).map_err(TasksError::disk)?, log::open(second).map_err(TasksError::disk)?];
        // New files are there after a power loss only when their folder is written too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(TasksError::disk)?;
        let checkpoint = Mutex::default();
        let (log, pendings, left) = resume(opened, recovery, *durability).map_err(TasksError::disk)?;
        let (tables, log, log_bytes_max) = (Arc::new(tables), Mutex::new(log), *log_bytes_max);
        Ok(Self { tables, log, pending: pendings, log_bytes_max, checkpoint, left: Mutex::new(left), damage })
    }

    /// What was found damaged when the files were opened.
    pub(crate) fn damage(&self) -> Damage {
        self.damage
    }

    /// Everything but the jobs.
    pub(crate) fn load(&self) -> Result<Content, TasksError> {
        let mut content = tables::load(&self.tables)?;
        self.pending.lock().apply(&mut content);
        Ok(content)
    }

    /// The job of a task, as it was pushed.
    pub(crate) fn job(&self, id: TaskId) -> Result<Option<Bytes>, TasksError> {
        // In this order: a checkpoint puts a job into the database before it forgets it here.
        let known = self.pending.lock().job(id);
        known.map_or_else(|| tables::job(&self.tables, id), Ok)
    }

    /// The job of a task where it is in memory; none: [`Self::job`] reads the disk for it. `Some(None)`: the task is gone.
    pub(crate) fn recent_job(&self, id: TaskId) -> Option<Option<Bytes>> {
        self.pending.lock().job(id)
    }

    /// What a task does not have in memory of its last failure, or of an earlier one.
    pub(crate) fn detail(&self, id: TaskId) -> Result<Option<Bytes>, TasksError> {
        let known = self.pending.lock().detail(id);
        known.map_or_else(|| tables::detail(&self.tables, id), |known| Ok(Some(known)))
    }

    /// Writes everything or nothing. When it returns, the batch is as safe as the durability says. After an error the files are
    /// to be opened anew: only that tells what they have.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), Unwritten> {
        match self.log.lock().append(&batch) {
            Ok(()) => self.pending.lock().add(batch),
            Err(error) => return Err(Unwritten { batch: Box::new(batch), error: TasksError::disk(error) }),
        }
        Ok(())
    }

    /// Has what the log has put into the database where that has become much, by a thread of its own: changes go on
    /// meanwhile, and wait only where they would go too far.
    pub(crate) fn tidy(&self) -> Result<(), TasksError> {
        let share = self.share();
        let mut under_way = self.checkpoint.lock();
        if let Some(thread) = under_way.take_if(|thread| thread.is_finished() || share >= GROWTH_MAX) {
            finish(thread)?;
        }
        if share > 0 && under_way.is_none() {
            *under_way = Some(self.start_checkpoint()?);
        }
        Ok(())
    }

    /// How often over what a checkpoint waits for has gathered.
    fn share(&self) -> u64 {
        let (bytes, changed) = (self.log.lock().bytes(), self.pending.lock().newest.len());
        (bytes / self.log_bytes_max.max(1)).max((changed / PENDING_MAX) as u64)
    }

    /// Whether the next [`Database::tidy`] may wait for a checkpoint, which takes as long as the disk wants.
    pub(crate) fn is_overfull(&self) -> bool {
        self.share() + 1 >= GROWTH_MAX
    }

    /// Puts everything that the log has into the database, and waits for it.
    pub(crate) fn checkpoint(&self) -> Result<(), TasksError> {
        self.finish_checkpoint()?;
        if self.log.lock().bytes() == 0 {
            return Ok(());
        }
        finish(self.start_checkpoint()?)
    }

    /// Waits for the checkpoint that is under way, and makes the one that was left.
    pub(crate) fn finish_checkpoint(&self) -> Result<(), TasksError> {
        self.checkpoint.lock().take().map_or(Ok(()), finish)?;
        let is_left = self.left.lock().is_some();
        if is_left { finish(self.start_checkpoint()?) } else { Ok(()) }
    }

    fn start_checkpoint(&self) -> Result<JoinHandle<Result<(), TasksError>>, TasksError> {
        let (tables, sealed) = (Arc::clone(&self.tables), self.seal());
        let run = move || {
            sealed.store(&tables)?;
            sealed.forget()
        };
        std::thread::Builder::new().name("tasks-checkpoint".to_owned()).spawn(run).map_err(TasksError::disk)
    }

    /// The log goes on in its other file.
    pub(super) fn seal(&self) -> Sealed {
        if let Some(left) = self.left.lock().take() {
            return left;
        }
        let mut log = self.log.lock();
        let (full, next, pending) = (log.turn(), log.next(), self.pending.lock().turn());
        Sealed { full, next, pending, pendings: Arc::clone(&self.pending) }
    }
}

/// What a checkpoint puts into the database. Wherever a kill comes, every batch is in a file of the log or in the database:
/// the file is emptied after the commit, and from the commit on its batches do not count.
pub(super) struct Sealed {
    full: Arc<File>,
    next: u64,
    pending: Arc<Pending>,
    pendings: Arc<Mutex<Pendings>>,
}

impl Sealed {
    pub(super) fn store(&self, tables: &redb::Database) -> Result<(), TasksError> {
        tables::store(tables, &self.pending.to_batch(), self.next)
    }

    pub(super) fn forget(&self) -> Result<(), TasksError> {
        self.full.set_len(0).map_err(TasksError::disk)?;
        self.pendings.lock().sealed = None;
        Ok(())
    }
}

impl Drop for Database {
    /// The thread of a checkpoint holds the files: whoever opens them next may be waiting for them.
    fn drop(&mut self) {
        if let Some(thread) = self.checkpoint.lock().take()
            && let Err(error) = finish(thread)
        {
            tracing::warn!(%error, "the last checkpoint of the tasks failed: the next start makes it");
        }
    }
}

/// A batch that could not be written.
#[derive(Debug)]
pub(crate) struct Unwritten {
    pub(crate) batch: Box<Batch>,
    pub(crate) error: TasksError,
}

fn finish(checkpoint: JoinHandle<Result<(), TasksError>>) -> Result<(), TasksError> {
    checkpoint.join().unwrap_or_else(|_| Err(TasksError::disk("the thread of a checkpoint has panicked")))
}

/// Reads the logs.
fn look(tables: &redb::Database, [first, second]: &[PathBuf; 2]) -> Result<Recovery, TasksError> {
    let logs = [read(first).map_err(TasksError::disk)?, read(second).map_err(TasksError::disk)?];
    let recovery = recovery::recover(&logs, tables::next_batch(tables)?);
    if recovery.cut_bytes > 0 {
        let bytes = recovery.cut_bytes;
        tracing::info!(bytes, "the end of the log of tasks was cut short: nobody was answered for it");
    }
    Ok(recovery)
}

type Resumed = (Log, Arc<Mutex<Pendings>>, Option<Sealed>);

/// Goes on where the files were left.
fn resume(files: [File; 2], recovery: Recovery, durability: Durability) -> std::io::Result<Resumed> {
    let is_second_newer = recovery.is_second_newer();
    let (Recovery { found: [first, second], next, .. }, [a, b]) = (recovery, files);
    let ([older, newer], [other, active]) =
        if is_second_newer { ([first, second], [a, b]) } else { ([second, first], [b, a]) };
    // What was cut short is no part of it, nor is what the database has.
    other.set_len(older.end)?;
    active.set_len(newer.end)?;
    let log = Log::new([active, other], newer.end, next, durability);
    let pendings = Arc::new(Mutex::new(Pendings::new(newer.batches.into_iter().collect())));
    let left = older.first.zip(newer.first).map(|(_, next)| {
        let pending: Arc<Pending> = Arc::new(older.batches.into_iter().collect());
        pendings.lock().sealed = Some(Arc::clone(&pending));
        Sealed { full: log.other(), next, pending, pendings: Arc::clone(&pendings) }
    });
    Ok((log, pendings, left))
}

/// Puts what can be read of damaged logs into the database, keeps the logs for whoever wants to look at them, and begins new
/// ones.
fn settle(tables: &redb::Database, logs: &[PathBuf; 2], recovery: Recovery) -> Result<Recovery, TasksError> {
    let is_second_newer = recovery.is_second_newer();
    let Recovery { found: [first, second], next, mut damage, .. } = recovery;
    let [older, newer] = if is_second_newer { [first, second] } else { [second, first] };
    let mut pending: Pending = older.batches.into_iter().chain(newer.batches).collect();
    let orphans = pending.drop_orphans(|id| tables::has_job(tables, id))?;
    damage.tasks = orphans.len() as u64;
    // Numbers that were given in what is lost are not given again.
    pending.skip_ids(tables::next_id(tables)?, damage.bytes);
    logs.iter().try_for_each(|path| recovery::set_aside(path, next)).map_err(TasksError::disk)?;
    report(damage, &orphans, next);
    tables::store(tables, &pending.to_batch(), next)?;
    logs.iter().try_for_each(|path| remove(path)).map_err(TasksError::disk)?;
    Ok(Recovery { next, damage, ..Recovery::default() })
}

fn report(damage: Damage, orphans: &[TaskId], next: u64) {
    let named: Vec<String> = orphans.iter().take(ORPHANS_NAMED_MAX).map(ToString::to_string).collect();
    tracing::error!(
        batches = damage.batches,
        bytes = damage.bytes,
        tasks_without_job = damage.tasks,
        named = named.join(", "),
        kept = format!("*.log.corrupt-{next}"),
        "the log of tasks is damaged: batches of changes cannot be read, and all others were taken in. Tasks that were accepted \
         in the lost ones are lost, and tasks that were done in them run again"
    );
}

/// Nothing, where there is no file.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// What had this name may have been kept under another.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
