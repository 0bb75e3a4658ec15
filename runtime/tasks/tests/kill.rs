//! The node is killed while producers push and workers work: no job that was acknowledged to its producer is lost, and no
//! more jobs run twice than were in flight.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use support::{Client, job_with, wait_until};
use switchyard_tasks::{Durability, TaskFilter, TaskState, Tasks, TasksConfig, TasksService};
use tokio_util::sync::CancellationToken;

const FILE: &str = "SWITCHYARD_TEST_KILLED_TASKS";
const DURABILITY: &str = "SWITCHYARD_TEST_KILLED_DURABILITY";
const KILLS: usize = 10;
/// Jobs that are acknowledged between two kills, at least.
const PUSHED_BETWEEN: usize = 60;
const PRODUCERS: usize = 3;
const WORKERS: usize = 3;

fn config(path: &Path, durability: Durability) -> TasksConfig {
    // A checkpoint every few dozen changes: kills come before, in and after them.
    TasksConfig { durability, log_bytes_max: 8 << 10, ..TasksConfig::new(path) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the next tests"]
async fn server_that_is_killed() {
    let durability = match std::env::var(DURABILITY).unwrap().as_str() {
        "Process" => Durability::Process,
        _ => Durability::Disk,
    };
    let path = std::env::var(FILE).unwrap();
    let tasks = Tasks::open(&support::host(), config(Path::new(&path), durability)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = TasksService::new(tasks, listener);
    println!("serves at {}", service.address().unwrap());
    service.run(CancellationToken::new()).await.unwrap();
}

/// The server in a process of its own. Its output is kept open: a broken pipe would end it in its own way.
struct Server(Child, #[allow(dead_code, reason = "kept open")] BufReader<ChildStdout>);

impl Server {
    fn start(path: &Path, durability: Durability) -> (Self, SocketAddr) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server_that_is_killed", "--ignored", "--nocapture"])
            .env(FILE, path)
            .env(DURABILITY, format!("{durability:?}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the server has ended: see its output");
            if let Some((_, address)) = line.trim().rsplit_once("serves at ") {
                break address.parse().unwrap();
            }
        };
        (Self(child, lines), address)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What the clients share and remember.
struct Load {
    address: Mutex<SocketAddr>,
    over: AtomicBool,
    names: AtomicUsize,
    /// Jobs whose push was answered.
    pushed: Mutex<BTreeSet<String>>,
    /// How often each job was begun.
    begun: Mutex<BTreeMap<String, usize>>,
    /// Jobs of which the server may know that they are done.
    finished: Mutex<BTreeSet<String>>,
    /// Jobs whose acknowledgement was answered on the connection on which they were begun: they were held.
    done: Mutex<BTreeSet<String>>,
    /// Kills that came in the middle of a checkpoint.
    in_checkpoint: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn connect(&self, wid: Option<&str>) -> Option<Client> {
        let address = *self.address.lock().unwrap();
        let mut client = Client::try_connect(address).ok()?;
        let wid = wid.map(|wid| format!(r#","wid":"{wid}""#)).unwrap_or_default();
        // The greeting comes before the answer, whichever of them is cut.
        let hello = client.try_say(&format!(r#"HELLO {{"v":2{wid}}}"#)).ok()?;
        assert!(hello.starts_with("+HI"), "{hello}");
        (client.try_answer().ok()? == "+OK").then_some(client)
    }

    /// Pushes until its connection breaks. What was not answered may be there or not: it is pushed under no name again.
    fn produce(&self) -> Option<()> {
        let mut client = self.connect(None)?;
        while self.goes_on() {
            let jid = format!("job-{:08}", self.names.fetch_add(1, Ordering::Relaxed));
            let answer = client.try_say(&format!("PUSH {}", job_with(&jid, ""))).ok()?;
            assert_eq!(answer, "+OK");
            self.pushed.lock().unwrap().insert(jid);
        }
        Some(())
    }

    /// Works until its connection breaks. It acknowledges what it has done when it is back.
    fn work(&self, wid: &str, done: &mut Option<String>) -> Option<()> {
        let (mut client, mut held) = (self.connect(Some(wid))?, false);
        while self.goes_on() {
            if let Some(jid) = done.clone() {
                self.finished.lock().unwrap().insert(jid.clone());
                assert_eq!(client.try_say(&format!(r#"ACK {{"jid":"{jid}"}}"#)).ok()?, "+OK");
                if held {
                    self.done.lock().unwrap().insert(jid);
                }
                *done = None;
            }
            let job = client.try_say("FETCH default").ok()?;
            if job != "nothing" {
                let job: serde_json::Value = serde_json::from_str(&job).unwrap();
                let jid = job["jid"].as_str().unwrap().to_owned();
                *self.begun.lock().unwrap().entry(jid.clone()).or_default() += 1;
                (*done, held) = (Some(jid), true);
            }
        }
        Some(())
    }
}

fn check(durability: Durability) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.redb");
    let (mut server, address) = Server::start(&path, durability);
    let load = Load {
        address: Mutex::new(address),
        over: AtomicBool::new(false),
        names: AtomicUsize::new(0),
        pushed: Mutex::default(),
        begun: Mutex::default(),
        finished: Mutex::default(),
        done: Mutex::default(),
        in_checkpoint: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(|| {
                while load.goes_on() {
                    let _ = load.produce();
                    std::thread::yield_now();
                }
            });
        }
        for n in 0..WORKERS {
            let load = &load;
            scope.spawn(move || {
                let mut done = None;
                while load.goes_on() {
                    let _ = load.work(&format!("worker-{n}"), &mut done);
                    std::thread::yield_now();
                }
            });
        }
        for _ in 0..KILLS {
            let (pushed, begun) = (load.pushed.lock().unwrap().len(), load.begun.lock().unwrap().len());
            wait_until("there was load", || {
                load.pushed.lock().unwrap().len() >= pushed + PUSHED_BETWEEN
                    && load.begun.lock().unwrap().len() > begun + 5
            });
            server.kill();
            check_nothing_lost(&load, &path, durability);
            let started = Server::start(&path, durability);
            server = started.0;
            *load.address.lock().unwrap() = started.1;
        }
        load.over.store(true, Ordering::Relaxed);
        // Workers that wait for a task are answered by the end of the server.
        server.kill();
    });
    let left = check_nothing_lost(&load, &path, durability);
    let (pushed, begun, done) = (load.pushed.lock().unwrap(), load.begun.lock().unwrap(), load.done.lock().unwrap());
    let twice: usize = begun.values().map(|times| times - 1).sum();
    eprintln!(
        "{durability:?}: {KILLS} kills, {} of them in a checkpoint; {} pushed, {} begun, {} done, {left} left, {twice} begun twice",
        load.in_checkpoint.load(Ordering::Relaxed),
        pushed.len(),
        begun.len(),
        done.len(),
    );
    assert!(twice <= KILLS * WORKERS, "{twice} jobs were begun twice");
}

/// Looks at what the killed server has left, in copies of its files: the next one finds them as they were.
fn check_nothing_lost(load: &Load, path: &Path, durability: Durability) -> usize {
    // Answered before the kill. What is done later is known to no server.
    let (pushed, done) = (load.pushed.lock().unwrap().clone(), load.done.lock().unwrap().clone());
    let folder = tempfile::tempdir().unwrap();
    let files = ["redb", "0.log", "1.log"].map(|extension| path.with_extension(extension));
    let copies = files.map(|file| std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap());
    load.in_checkpoint.fetch_add(usize::from(copies[1] > 0 && copies[2] > 0), Ordering::Relaxed);
    let tasks = Tasks::open(&support::host(), config(&folder.path().join("tasks.redb"), durability)).unwrap();
    let (mut left, mut after) = (BTreeSet::new(), None);
    loop {
        let (page, next) = tasks.list(TaskFilter { after, ..TaskFilter::default() }, 500);
        assert!(page.iter().all(|task| matches!(task.state, TaskState::Waiting | TaskState::Leased)));
        left.extend(page.into_iter().map(|task| task.jid));
        after = next;
        if after.is_none() {
            break;
        }
    }
    // A job that somebody works on is not done: it must be there too.
    let finished = load.finished.lock().unwrap();
    let lost: Vec<&String> = pushed.iter().filter(|jid| !finished.contains(*jid) && !left.contains(*jid)).collect();
    assert!(lost.is_empty(), "of {}: {lost:?}", pushed.len());
    let back: Vec<&String> = done.iter().filter(|jid| left.contains(*jid)).collect();
    assert!(back.is_empty(), "of {} that are done: {back:?}", done.len());
    assert_eq!(tasks.figures().damaged_batches, 0, "a kill damages nothing");
    left.len()
}

#[test]
fn nothing_is_lost_when_the_process_is_killed_at_durability_process() {
    check(Durability::Process);
}

#[test]
fn nothing_is_lost_when_the_process_is_killed_at_durability_disk() {
    check(Durability::Disk);
}
