use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    TaskId, TasksError,
    clock::Moment,
    disk::{self, Database, Files},
    shared::Shared,
    task::Failure,
};

/// The files of the tasks, which may fail, be closed, and be opened again. What the tasks are is in memory meanwhile; the files
/// are read into it once.
pub(crate) struct Storage {
    files: Files,
    /// None: they have failed, or were never opened.
    open: Mutex<Option<Arc<Database>>>,
    /// The memory has what the files had.
    taken_up: AtomicBool,
}

impl Storage {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, open: Mutex::default(), taken_up: AtomicBool::new(false) }
    }

    pub(crate) fn database(&self) -> Option<Arc<Database>> {
        self.open.lock().clone()
    }
}

impl Shared {
    /// Opens the files, and takes up what they have where that is not known yet. Blocks.
    pub(crate) fn open_files(&self) -> Result<(), TasksError> {
        self.storage.open.lock().take();
        let database = Database::open(&self.storage.files)?;
        self.counters.count_damage(database.damage());
        if !self.storage.taken_up.load(Ordering::Relaxed) {
            self.take_up(&database)?;
            self.storage.taken_up.store(true, Ordering::Relaxed);
        }
        *self.storage.open.lock() = Some(Arc::new(database));
        Ok(())
    }

    fn take_up(&self, database: &Database) -> Result<(), TasksError> {
        let content = database.load()?;
        self.clock.go_on_from(content.clock_ms);
        let Moment { now_ms, wall_ms } = self.clock.moment();
        let decode = |(id, record): (&TaskId, &Vec<u8>)| disk::decode(*id, record, now_ms, wall_ms);
        let tasks = content.records.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let holders = self.change(|state, _| {
            state.take_up(content.next_id, tasks, content.paused);
            state.holders()
        });
        self.workers.expect(holders);
        Ok(())
    }

    /// The job of a task, as it was pushed.
    pub(crate) fn job(&self, id: TaskId) -> Result<Option<Bytes>, TasksError> {
        match self.storage.database() {
            Some(database) => database.job(id),
            None => Err(self.check().err().unwrap_or(TasksError::NotFound(id))),
        }
    }

    /// A failure with what of it is not in memory.
    pub(crate) fn whole(&self, id: TaskId, failure: Failure) -> Failure {
        let detail = self.storage.database().and_then(|database| database.detail(id).ok()?);
        failure.with_detail(detail.as_ref())
    }

    /// Nothing is taken or given from now on, until [`Shared::healed`].
    pub(crate) fn fail(&self, error: &TasksError) {
        let reason: Arc<str> = Arc::from(error.source().map_or_else(|| error.to_string(), ToString::to_string));
        if self.progress.borrow().failed.is_none() {
            tracing::error!(%reason, "the files of the tasks have failed: nothing is taken or given until they are well");
        }
        self.progress.send_modify(|progress| progress.failed = Some(reason));
        self.storage.open.lock().take();
    }

    /// The files are well, and nothing is missing in them.
    pub(crate) fn healed(&self) {
        let mended = |failed: &mut Option<Arc<str>>| failed.take().is_some();
        if self.progress.send_if_modified(|progress| mended(&mut progress.failed)) {
            tracing::info!("the files of the tasks are well again, and nothing was lost");
        }
    }
}
