use std::{
    convert::Infallible,
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use switchyard_listen::{Acceptor, Account};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{Tasks, TasksError, decide, faktory::Connection, figures::Counters, owner::Owner};

/// How long connections may finish what they do when the service stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Tasks whose time has come that are moved in one hold of the lock.
const TURN_TASKS: usize = 256;
/// How often silent workers are looked for.
const SILENCE_INTERVAL: Duration = Duration::from_secs(5);

/// The tasks behind a listener for the Faktory work protocol, and the passing of time: without it delayed tasks stay delayed
/// and leases do not end.
#[derive(Debug)]
pub struct TasksService {
    tasks: Tasks,
    listener: TcpListener,
    account: Arc<Account>,
    started: Instant,
}

impl TasksService {
    /// A service on a listener that is bound already.
    pub fn new(tasks: Tasks, listener: TcpListener) -> Self {
        let account = Account::new(tasks.config().input_bytes_max);
        Self { tasks, listener, account, started: Instant::now() }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, also while the files have failed: then it says so. At the end it lets connections finish what they do, for five seconds at most.
    pub async fn run(self, stop: CancellationToken) -> Result<(), TasksError> {
        let stop = stop.child_token();
        let (mut clients, mut chores) = (JoinSet::new(), JoinSet::new());
        chores.spawn(pass_time(self.tasks.clone()));
        chores.spawn(watch_workers(self.tasks.clone()));
        let served = tokio::select! {
            served = self.accept(&stop, &mut clients) => served,
            Some(ended) = chores.join_next() => Err(broken_off(ended)),
        };
        stop.cancel();
        let finished = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await.is_err() {
            tracing::warn!(clients = clients.len(), "clients did not finish in time and are cut off");
            clients.shutdown().await;
        }
        // They hold the tasks, which are closed with the last who does.
        chores.shutdown().await;
        served
    }

    async fn accept(&self, stop: &CancellationToken, clients: &mut JoinSet<()>) -> Result<(), TasksError> {
        let mut acceptor = Acceptor::new(&self.listener);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(_) = clients.join_next() => {}
                accepted = acceptor.next() => {
                    let (stream, _) = accepted.map_err(TasksError::Listen)?;
                    self.welcome(stream, stop, clients);
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, stop: &CancellationToken, clients: &mut JoinSet<()>) {
        if clients.len() >= self.tasks.config().connections_max {
            Counters::count(&self.tasks.shared().counters.refused);
            refuse(stream);
            return;
        }
        // A socket that does not take the option still works.
        let _ = stream.set_nodelay(true);
        let tasks = self.tasks.clone();
        let connection = Connection::new(stream, tasks.clone(), &self.account, self.started, stop.clone());
        clients.spawn(async move {
            let _present = Present::new(tasks);
            connection.run().await;
        });
    }
}

/// Says why and closes. The answer fits into the buffer of a fresh socket; if it does not, closing says enough.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(b"-ERR too many connections\r\n");
    }
}

/// Counts a client for as long as it is there, however its task ends.
struct Present(Tasks);

impl Present {
    fn new(tasks: Tasks) -> Self {
        Counters::count(&tasks.shared().counters.connections);
        Self(tasks)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.shared().counters.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A loop without an end has ended: it has panicked, and so does whoever runs the service.
fn broken_off(ended: Result<Infallible, JoinError>) -> TasksError {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(never) => match never {},
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Nobody stops them but the runtime at its end.
        Err(Err(_)) => TasksError::Failed { reason: Arc::from("the node ends") },
    }
}

/// Lets delayed tasks run and leases end when their time comes. Not while the files have failed: nobody can acknowledge.
async fn pass_time(tasks: Tasks) -> Infallible {
    let shared = tasks.shared();
    loop {
        shared.healthy().await;
        for failing in shared.change(|state, now_ms| state.pass_time(now_ms, TURN_TASKS)) {
            decide::lost(shared, failing, "the lease ran out");
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        let next = shared.read(|state| state.next_timer_ms());
        let until = next.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(shared.clock.now_ms())));
        tokio::select! {
            () = shared.sooner.notified() => {}
            () = sleep(until) => {}
        }
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Gives up workers that do not beat.
async fn watch_workers(tasks: Tasks) -> Infallible {
    let mut ticks = tokio::time::interval(SILENCE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tasks.shared().healthy().await;
        for worker in tasks.workers().give_up(Instant::now()) {
            tracing::info!(worker, "a worker has been silent for too long: its tasks go to others");
            let owner = Owner::from(worker.as_str());
            decide::gone(tasks.shared(), &owner, "the worker was silent for too long").await;
        }
    }
}
