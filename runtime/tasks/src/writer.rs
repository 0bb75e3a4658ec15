use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    Durability, TaskId, TasksError,
    clock::wall_ms,
    disk::{self, Batch, Database, Unwritten},
    figures::Counters,
    shared::Shared,
    state::{State, Take, Ticket, Work},
    task::Task,
};

/// Changes that one commit takes at most: what came meanwhile waits for the next, and the lock is held for the encoding.
const BATCH_CHANGES_MAX: usize = 512;
/// Pause before files that have failed are tried again; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: space that was freed is used so soon.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// A write that takes longer is slow, and whoever waits leaves the next ones to the thread.
const SLOW: Duration = Duration::from_millis(2);
/// For how long, in milliseconds.
const SLOW_FOR_MS: u64 = 1_000;
/// How long whoever waits stands by while somebody else writes, who may write this too: a little longer than a write takes.
const TURN: Duration = Duration::from_micros(100);

/// The thread that writes what others do not. While the disk works, changes gather; they share the next commit.
pub(crate) fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, TasksError> {
    spawn(shared, run)
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

/// Whose turn it is to write, and whether whoever waits may do it.
pub(crate) struct Writing {
    /// At this durability a write does not wait for the disk.
    is_quick: bool,
    /// Until then it is not quick all the same, by the clock of the tasks.
    slow_until_ms: AtomicU64,
    turn: Mutex<Turn>,
}

impl Writing {
    pub(crate) fn new(durability: Durability) -> Self {
        let turn = Mutex::new(Turn { left: None, taken: false, pause: RETRY_PAUSE });
        Self { is_quick: durability == Durability::Process, slow_until_ms: AtomicU64::new(0), turn }
    }

    /// Whether a write is unlikely to hold its caller up. The system makes whoever writes wait where it has more to bring to
    /// the disk than it likes.
    pub(crate) fn is_quick(&self, now_ms: u64) -> bool {
        self.is_quick && self.slow_until_ms.load(Relaxed) <= now_ms
    }

    fn note(&self, began: Instant, now_ms: u64) {
        if began.elapsed() > SLOW {
            self.slow_until_ms.store(now_ms + SLOW_FOR_MS, Relaxed);
        }
    }
}

/// Whoever has it writes.
struct Turn {
    /// What was taken and could not be written: it comes first once the files are open again.
    left: Option<Taken>,
    /// A batch has been taken, and is neither written nor left: nothing after it may count as safe. So it stays where writing
    /// broke down in the middle.
    taken: bool,
    /// Before the next try.
    pause: Duration,
}

/// Ends with the tasks. After an error nobody knows what the files have: they are closed and read again, what they lack is
/// written again, and only then does anything go on.
fn run(shared: &Shared) {
    loop {
        let Err(error) = write(shared) else { return };
        shared.fail(&error);
        if matches!(error, TasksError::Format(_)) {
            // What could not be written is not among what is left.
            return;
        }
        let pause = shared.writer.turn.lock().next_pause();
        let closing = shared.wait_for_close(pause);
        if let Err(error) = shared.open_files() {
            shared.fail(&error);
        }
        if closing {
            // Once more, and no more.
            if let Err(error) = write(shared) {
                shared.fail(&error);
                let staged = shared.read(|state| state.work() > Work::Nothing);
                if staged || shared.writer.turn.lock().left.is_some() {
                    tracing::error!("the last changes of the tasks were not written");
                }
            }
            return;
        }
    }
}

fn write(shared: &Shared) -> Result<(), TasksError> {
    let database = {
        let mut turn = shared.writer.turn.lock();
        turn.check()?;
        let database = shared.open_database()?;
        // A checkpoint that has failed goes first: the log cannot grow for ever.
        database.finish_checkpoint()?;
        if let Some(left) = turn.left.take() {
            turn.commit(shared, &database, left)?;
        }
        shared.healed();
        database
    };
    while shared.wait_for_work() {
        let mut turn = shared.writer.turn.lock();
        // Somebody who wrote meanwhile may have found that they fail.
        shared.open_database()?;
        turn.write_one(shared, &database, Take::All)?;
    }
    // A start then has no log to read.
    database.checkpoint()
}

impl Shared {
    fn open_database(&self) -> Result<Arc<Database>, TasksError> {
        self.storage.database().ok_or_else(|| self.check().err().unwrap_or_else(closed))
    }

    /// Writes what is waited for up to a change of the caller's, unless somebody does so already, who then looks again. What
    /// others wait for beyond that is for the thread that writes: this one serves others.
    pub(crate) fn write_here(&self, until: Ticket) {
        let _end = HereEnded(self);
        while let Some(mut turn) = self.writer.turn.try_lock_for(TURN) {
            let Some(database) = self.storage.database() else { return };
            let written = turn.write_waited(self, &database, until);
            drop(turn);
            if let Err(error) = written {
                self.fail_here(&error);
                return;
            }
            if self.read(State::work) < Work::Waited {
                return;
            }
            if database.is_overfull() || self.has_written(until) {
                self.table.work.notify_one();
                return;
            }
        }
    }

    /// Whether whoever waits for a change has done enough: it is safe, or writing has become slow.
    fn has_written(&self, until: Ticket) -> bool {
        self.progress.borrow().safe >= until || !self.writer.is_quick(self.clock.now_ms())
    }

    /// The thread that writes looks at the files before it waits, under the same lock: it cannot miss this between the two.
    fn fail_here(&self, error: &TasksError) {
        let _guarded = self.table.guarded.lock();
        self.fail(error);
        self.table.work.notify_one();
    }
}

/// Where writing breaks down in the middle, everybody is told, and the thread that writes finds out that it is over.
struct HereEnded<'a>(&'a Shared);

impl Drop for HereEnded<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_here(&broken_down());
        }
    }
}

impl Turn {
    fn check(&self) -> Result<(), TasksError> {
        if self.taken { Err(broken_down()) } else { Ok(()) }
    }

    /// It doubles each time.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(RETRY_PAUSE_MAX);
        pause
    }

    fn write_waited(&mut self, shared: &Shared, database: &Database, until: Ticket) -> Result<(), TasksError> {
        while shared.read(State::work) == Work::Waited && !database.is_overfull() && !shared.has_written(until) {
            let began = Instant::now();
            self.write_one(shared, database, Take::Waited)?;
            shared.writer.note(began, shared.clock.now_ms());
        }
        Ok(())
    }

    fn write_one(&mut self, shared: &Shared, database: &Database, take: Take) -> Result<(), TasksError> {
        self.check()?;
        self.taken = true;
        let (now_ms, wall_ms) = (shared.clock.now_ms(), wall_ms());
        let encode = |task: &Task| disk::encode(task, now_ms, wall_ms);
        let taken = shared.table.guarded.lock().state.take_batch(BATCH_CHANGES_MAX, take, encode)?;
        let committed = self.commit(shared, database, taken);
        self.taken = false;
        committed?;
        database.tidy()
    }

    fn commit(
        &mut self,
        shared: &Shared,
        database: &Database,
        (batch, arriving, safe): Taken,
    ) -> Result<(), TasksError> {
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

fn broken_down() -> TasksError {
    TasksError::Format("writing has broken down: the node is to be started again".to_owned())
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

    /// What comes after a batch that is nowhere would else be taken for proof that the batch is safe.
    #[tokio::test]
    async fn nothing_is_safe_after_a_write_that_broke_down_in_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let durability = Durability::Process;
        let config = TasksConfig { durability, ..TasksConfig::new(folder.path().join("tasks.redb")) };
        let tasks = Tasks::open(&host, config).unwrap();
        let push = async |jid: &str| tasks.push(format!(r#"{{"jid":"{jid}","jobtype":"t","args":[]}}"#).into()).await;
        push("before--").await.unwrap();
        tasks.shared().writer.turn.lock().taken = true;
        for _ in 0..2 {
            assert!(matches!(push("after---").await, Err(TasksError::Failed { .. })));
            tokio::time::sleep(RETRY_PAUSE * 2).await;
        }
    }

    /// Whoever writes for itself writes for others only what comes before.
    #[tokio::test]
    async fn who_writes_here_stops_when_its_own_change_is_safe() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let shared = Shared::new(
            &host,
            &TasksConfig { durability: Durability::Process, ..TasksConfig::new(folder.path().join("tasks.redb")) },
        );
        // There is no thread that writes.
        shared.open_files().unwrap();
        let pause =
            |n: usize| shared.change_waited(|state, now_ms| state.pause(now_ms, "queue", n.is_multiple_of(2)).unwrap());
        let tickets: Vec<Ticket> = (0..4 * BATCH_CHANGES_MAX).map(pause).collect();
        shared.write_here(tickets[10]);
        assert!(shared.progress.borrow().safe >= tickets[10]);
        assert!(shared.progress.borrow().safe <= tickets[BATCH_CHANGES_MAX], "one batch, and not all that is there");
        assert_eq!(shared.read(State::work), Work::Waited);
        // Where a write has been slow the rest is not for the caller either.
        shared.writer.slow_until_ms.store(u64::MAX, Relaxed);
        shared.write_here(tickets[3 * BATCH_CHANGES_MAX]);
        assert!(shared.progress.borrow().safe <= tickets[BATCH_CHANGES_MAX]);
    }

    #[test]
    fn files_that_failed_before_the_thread_waits_are_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(HostConfig { instances_max: 1, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let shared = Shared::new(&host, &TasksConfig::new(folder.path().join("tasks.redb")));
        let (told, tells) = std::sync::mpsc::channel();
        // Somebody found out that they fail when there was nothing to write, and nobody waited yet.
        shared.fail_here(&closed());
        std::thread::spawn(move || told.send(shared.wait_for_work()));
        assert_eq!(tells.recv_timeout(Duration::from_secs(60)), Ok(true));
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
