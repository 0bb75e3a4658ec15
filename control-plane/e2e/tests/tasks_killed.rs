//! A whole node is killed again and again while producers push and workers work, with a strategy that decides: no job that was
//! acknowledged to its producer is lost, and no more jobs run twice than were in flight.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use switchyard_e2e::{
    dev::Dev,
    faktory::FaktoryClient,
    resp::{Reply, RespClient},
};
use switchyard_types::StrategyKind::Scheduling;

const PATIENCE: Duration = Duration::from_secs(120);
const KILLS: usize = 10;
const PRODUCERS: usize = 2;
const WORKERS: usize = 3;
/// Jobs that are acknowledged between two kills, at least.
const PUSHED_BETWEEN: usize = 40;
/// Every other kill waits for a checkpoint, which takes 32 MiB of log.
const JOB_BYTES: usize = 400_000;

#[derive(Default)]
struct Load {
    address: Mutex<String>,
    over: AtomicBool,
    names: AtomicUsize,
    /// Jobs whose push was answered.
    pushed: Mutex<BTreeSet<String>>,
    /// How often each job was begun.
    begun: Mutex<BTreeMap<String, usize>>,
    /// Jobs of which the node may know that they are done.
    finished: Mutex<BTreeSet<String>>,
    /// Jobs whose acknowledgement was answered on the connection on which they were begun: they were held.
    done: Mutex<BTreeSet<String>>,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn connect(&self, worker: Option<&str>) -> Option<FaktoryClient> {
        let address = self.address.lock().unwrap().clone();
        FaktoryClient::connect(address.as_str(), worker).ok()
    }

    /// Pushes until its connection breaks. What was not answered is pushed under no name again.
    fn produce(&self) -> Option<()> {
        let mut client = self.connect(None)?;
        while self.goes_on() {
            let n = self.names.fetch_add(1, Ordering::Relaxed);
            let (jid, padding) = (format!("job-{n:08}"), "x".repeat(JOB_BYTES));
            let custom = json!({ "estimate_ms": n * 37 % 1_000, "padding": padding });
            let job = json!({ "jid": jid, "jobtype": "t", "args": [], "priority": 1 + n % 9, "custom": custom });
            assert_eq!(client.say(&format!("PUSH {job}")).ok()?.as_deref(), Some("+OK"));
            self.pushed.lock().unwrap().insert(jid);
        }
        Some(())
    }

    /// Works until its connection breaks. It acknowledges what it has done when it is back.
    fn work(&self, name: &str, done: &mut Option<String>) -> Option<()> {
        let (mut client, mut held) = (self.connect(Some(name))?, false);
        while self.goes_on() {
            if let Some(jid) = done.clone() {
                self.finished.lock().unwrap().insert(jid.clone());
                assert_eq!(client.say(&format!(r#"ACK {{"jid":"{jid}"}}"#)).ok()?.as_deref(), Some("+OK"));
                if held {
                    self.done.lock().unwrap().insert(jid);
                }
                *done = None;
            }
            if let Some(job) = client.fetch("default").ok()? {
                let jid = job["jid"].as_str().unwrap().to_owned();
                *self.begun.lock().unwrap().entry(jid.clone()).or_default() += 1;
                (*done, held) = (Some(jid), true);
            }
        }
        Some(())
    }

    /// Looks at what the node has after its start, before anybody works.
    fn check(&self, http: &str) -> usize {
        let left = jobs(http);
        let (pushed, finished) = (self.pushed.lock().unwrap(), self.finished.lock().unwrap());
        let lost: Vec<_> = pushed.iter().filter(|jid| !finished.contains(*jid) && !left.contains(*jid)).collect();
        assert!(lost.is_empty(), "of {}: {lost:?}", pushed.len());
        let done = self.done.lock().unwrap();
        let back: Vec<_> = done.iter().filter(|jid| left.contains(*jid)).collect();
        assert!(back.is_empty(), "of {} that are done: {back:?}", done.len());
        left.len()
    }
}

/// Ends the load also when an assertion has failed.
struct Stops<'a>(&'a Load);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn jobs(http: &str) -> BTreeSet<String> {
    let (mut jobs, mut more) = (BTreeSet::new(), String::new());
    loop {
        let mut stream = TcpStream::connect(http).unwrap();
        let request = format!("GET /v1/tasks?limit=500{more} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let page: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        jobs.extend(page["items"].as_array().unwrap().iter().map(|task| task["jid"].as_str().unwrap().to_owned()));
        match page["continue"].as_str() {
            Some(after) => more = format!("&continue={after}"),
            None => return jobs,
        }
    }
}

/// Whether one file of the log is being put into the database while the other takes what comes.
fn in_checkpoint(tasks: &Path) -> bool {
    ["tasks.0.log", "tasks.1.log"].iter().all(|log| tasks.join(log).metadata().is_ok_and(|file| file.len() > 0))
}

fn folder_of_tasks(folder: &Path) -> Option<std::path::PathBuf> {
    if folder.join("tasks.redb").exists() {
        return Some(folder.to_owned());
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).find_map(|path| folder_of_tasks(&path))
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_node_that_is_killed_loses_no_task() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dev = Dev::start("100", 1).unwrap();
    let plugin = runtime.block_on(dev.publish("scheduling-priority")).unwrap();
    runtime.block_on(dev.activate_for(Scheduling, &plugin)).unwrap();
    runtime.block_on(dev.slot_reported(Scheduling, "healthy", |slot, _| slot.last_healthy.is_some())).unwrap();
    let tasks = folder_of_tasks(&dev.data()).unwrap();
    let load = Load::default();
    load.address.lock().unwrap().clone_from(&dev.process().ready().faktory);
    let (mut running, mut in_checkpoints) = (Some(dev), 0);
    thread::scope(|scope| {
        let stops = Stops(&load);
        for _ in 0..PRODUCERS {
            scope.spawn(|| {
                while load.goes_on() {
                    let _ = load.produce();
                    thread::yield_now();
                }
            });
        }
        for n in 0..WORKERS {
            let load = &load;
            scope.spawn(move || {
                let mut done = None;
                while load.goes_on() {
                    let _ = load.work(&format!("worker-{n}"), &mut done);
                    thread::yield_now();
                }
            });
        }
        for kill in 0..KILLS {
            let pushed = load.pushed.lock().unwrap().len();
            wait_until("there was load", || load.pushed.lock().unwrap().len() >= pushed + PUSHED_BETWEEN);
            if kill % 2 == 1 {
                wait_until("there is a checkpoint", || in_checkpoint(&tasks));
            }
            let look = || in_checkpoints += usize::from(in_checkpoint(&tasks));
            let killed = running.take().unwrap().killed(look).unwrap();
            let dev = running.insert(killed);
            load.check(&dev.process().ready().http);
            load.address.lock().unwrap().clone_from(&dev.process().ready().faktory);
        }
        drop(stops);
    });
    let dev = running.unwrap();
    let left = load.check(&dev.process().ready().http);
    let active = |slot: &switchyard_types::SlotStatus, _: &_| slot.active.is_some();
    runtime.block_on(dev.slot_reported(Scheduling, "the strategy decides after every start", active)).unwrap();
    let (pushed, begun, done) = (load.pushed.lock().unwrap(), load.begun.lock().unwrap(), load.done.lock().unwrap());
    let twice: usize = begun.values().map(|times| times - 1).sum();
    println!(
        "{KILLS} kills, {in_checkpoints} of them in a checkpoint; {} pushed, {} begun, {} done, {left} left, {twice} begun twice",
        pushed.len(),
        begun.len(),
        done.len(),
    );
    assert!(twice <= KILLS * WORKERS, "{twice} jobs were begun twice");
}

#[test]
fn a_node_starts_though_its_queue_cannot_be_opened_and_takes_it_up_when_it_can() {
    let dev = Dev::start("100", 1).unwrap();
    let push = |dev: &Dev, jid: &str| {
        let mut client = FaktoryClient::connect(dev.process().ready().faktory.as_str(), None).unwrap();
        client.say(&format!(r#"PUSH {{"jid":"{jid}","jobtype":"t","args":[]}}"#)).unwrap().unwrap()
    };
    assert_eq!(push(&dev, "before--"), "+OK");
    let file = folder_of_tasks(&dev.data()).unwrap().join("tasks.redb");
    let mut kept = Vec::new();
    let spoil = || {
        kept = std::fs::read(&file).unwrap();
        std::fs::write(&file, "spoilt, ".repeat(1_000)).unwrap();
    };
    let dev = dev.killed(spoil).unwrap();
    let answer = push(&dev, "refused-");
    assert!(answer.starts_with("-ERR the files of the tasks have failed"), "{answer}");
    let mut cache = RespClient::connect(dev.address()).unwrap();
    assert_eq!(cache.call(&[b"SET", b"k", b"v"]).unwrap(), Reply::Status("OK".to_owned()), "the others serve");
    std::fs::write(&file, kept).unwrap();
    wait_until("it has healed", || push(&dev, "after---") == "+OK");
    let left = jobs(&dev.process().ready().http);
    assert!(left.contains("before--") && left.contains("after---") && !left.contains("refused-"), "{left:?}");
    dev.end().unwrap();
}
