use std::{sync::Arc, thread::JoinHandle, time::Duration};

use crate::{
    TaskId, TasksError,
    clock::wall_ms,
    disk::{self, Batch, Database, Unwritten},
    figures::Counters,
    shared::Shared,
    state::{Ticket, Work},
};

/// Changes that one commit takes at most: what came meanwhile waits for the next, and the lock is held for the encoding.
const BATCH_CHANGES_MAX: usize = 512;
/// Pause before files that have failed are tried again; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: space that was freed is used so soon.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The one thread that writes. While the disk works, changes gather; they share the next commit.
pub(crate) fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, TasksError> {
    spawn(shared, |shared| Writer { shared, left: None, pause: RETRY_PAUSE }.run())
}

fn spawn(shared: Arc<Shared>, run: impl FnOnce(&Shared) + Send + 'static) -> Result<JoinHandle<()>, TasksError> {
    let run = move || {
        let ended = Ended(shared);
        run(&ended.0);
    };
    std::thread::Builder::new().name("tasks-writer".to_owned()).spawn(run).map_err(TasksError::disk)
}

/// However the thread ends, nobody waits for it any more.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&TasksError::disk("the thread that writes has broken down: the node is to be started again"));
        }
    }
}

/// What a commit writes, which tasks arrive with it, and how far it goes.
type Taken = (Batch, Vec<TaskId>, Ticket);

struct Writer<'a> {
    shared: &'a Shared,
    /// What was taken and could not be written: it comes first once the files are open again.
    left: Option<Taken>,
    /// Before the next try.
    pause: Duration,
}

impl Writer<'_> {
    /// Ends with the tasks. After an error nobody knows what the files have: they are closed and read again, what they lack
    /// is written again, and only then does anything go on.
    fn run(&mut self) {
        loop {
            let Err(error) = self.write() else { return };
            self.shared.fail(&error);
            if matches!(error, TasksError::Format(_)) {
                // What could not be written is not among what is left.
                return;
            }
            let closing = self.shared.wait_for_close(self.pause);
            self.pause = (self.pause * 2).min(RETRY_PAUSE_MAX);
            if let Err(error) = self.shared.open_files() {
                self.shared.fail(&error);
            }
            if closing {
                // Once more, and no more.
                if let Err(error) = self.write() {
                    self.shared.fail(&error);
                    let staged = self.shared.read(|state| state.work() > Work::Nothing);
                    if staged || self.left.is_some() {
                        tracing::error!("the last changes of the tasks were not written");
                    }
                }
                return;
            }
        }
    }

    fn write(&mut self) -> Result<(), TasksError> {
        let shared = self.shared;
        let Some(database) = shared.storage.database() else { return Err(shared.check().err().unwrap_or_else(closed)) };
        // A checkpoint that has failed goes first: the log cannot grow for ever.
        database.finish_checkpoint()?;
        if let Some(left) = self.left.take() {
            self.commit(&database, left)?;
        }
        shared.healed();
        while let Some(taken) = shared.next_work(|state| {
            let (now_ms, wall_ms) = (shared.clock.now_ms(), wall_ms());
            state.take_batch(BATCH_CHANGES_MAX, |task| disk::encode(task, now_ms, wall_ms))
        }) {
            self.commit(&database, taken?)?;
            database.tidy()?;
        }
        // A start then has no log to read.
        database.checkpoint()
    }

    fn commit(&mut self, database: &Database, (batch, arriving, safe): Taken) -> Result<(), TasksError> {
        let shared = self.shared;
        if let Err(Unwritten { batch, error }) = database.commit(Batch { clock_ms: shared.clock.now_ms(), ..batch }) {
            self.left = Some((*batch, arriving, safe));
            return Err(error);
        }
        self.pause = RETRY_PAUSE;
        Counters::count(&shared.counters.commits);
        if !arriving.is_empty() {
            shared.change(|state, now_ms| arriving.iter().for_each(|id| state.admit(now_ms, *id)));
        }
        shared.progress.send_modify(|progress| progress.safe = safe);
        Ok(())
    }
}

fn closed() -> TasksError {
    TasksError::disk("the files of the tasks are not open")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use switchyard_host::{Compiler, Host, HostConfig};

    use super::*;
    use crate::{Tasks, TasksConfig};

    #[tokio::test]
    async fn nobody_waits_for_a_writer_that_has_broken_down() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let shared = Shared::new(&host, &TasksConfig::new(folder.path().join("tasks.redb")));
        let waits = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { shared.safe(Ticket(1)).await }
        });
        assert!(spawn(Arc::clone(&shared), |_| panic!("as a test")).unwrap().join().is_err());
        assert!(matches!(waits.await.unwrap(), Err(TasksError::Failed { .. })));
        assert!(matches!(shared.check(), Err(TasksError::Failed { .. })));
    }

    /// A strategy that ranks without a pause puts the writing of a lease off no further.
    #[tokio::test]
    async fn what_nobody_waits_for_is_written_in_time_though_more_comes() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let tasks = Tasks::open(&host, TasksConfig::new(folder.path().join("tasks.redb"))).unwrap();
        tasks.push(r#"{"jid":"12345678","jobtype":"t","args":[]}"#.into()).await.unwrap();
        let before = tasks.figures().commits;
        tasks.fetch("w", &["default"], Duration::ZERO).await.unwrap().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while tasks.figures().commits == before {
            assert!(Instant::now() < end, "it is never written");
            tasks.shared().table.work.notify_one();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
