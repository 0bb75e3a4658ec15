use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use switchyard_e2e::faktory::FaktoryClient;

use super::eventually;

const PRODUCERS: usize = 2;
pub(crate) const WORKERS: usize = 3;
/// Between two pushes of one producer, and before somebody without a connection tries again.
const BREATH: Duration = Duration::from_millis(5);
/// The shortest there is: a job that was handed out in an answer which the kill took is held by a worker that does not know of it.
const RESERVE_SECONDS: u64 = 60;
/// Producers wait for workers where so many jobs are behind.
const BACKLOG_MAX: usize = 200;

/// Producers that push and workers that work, each on a connection of its own, with an account of what was answered.
pub(crate) struct Jobs {
    account: Arc<Mutex<Account>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Account {
    address: String,
    over: bool,
    producing: bool,
    names: usize,
    /// Their push was answered.
    pushed: BTreeSet<String>,
    /// How often each was handed out.
    begun: BTreeMap<String, usize>,
    /// How often a connection broke while a worker held it.
    in_flight: BTreeMap<String, usize>,
    /// Their acknowledgement was sent: the node may know that they are done.
    finished: BTreeSet<String>,
    /// What was answered and should not be.
    wrong: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Worked {
    pub(crate) pushed: usize,
    pub(crate) begun: usize,
    pub(crate) twice: usize,
    pub(crate) in_flight: usize,
}

impl Jobs {
    pub(crate) fn start(address: &str) -> Self {
        let account = Account { address: address.to_owned(), producing: true, ..Account::default() };
        let account = Arc::new(Mutex::new(account));
        let run = |work: fn(&Mutex<Account>, usize), n: usize| {
            let account = Arc::clone(&account);
            thread::spawn(move || work(&account, n))
        };
        let producers = (0..PRODUCERS).map(|n| run(producer, n));
        let threads = producers.chain((0..WORKERS).map(|n| run(worker, n))).collect();
        Self { account, threads }
    }

    /// Where the node listens now.
    pub(crate) fn move_to(&self, address: &str) {
        address.clone_into(&mut self.account.lock().unwrap().address);
    }

    /// Waits until so many more pushes were answered and so many more jobs handed out.
    pub(crate) async fn go_on(&self, jobs: usize) {
        let seen = || {
            let account = self.account.lock().unwrap();
            (account.pushed.len(), account.begun.len())
        };
        let from = seen();
        let more = || (seen().0 >= from.0 + jobs && seen().1 >= from.1 + jobs).then_some(());
        eventually("jobs go on", || async { more() }).await;
    }

    /// Answers that should not be, and connections that broke while a worker held a job.
    pub(crate) fn failures(&self) -> (Vec<String>, usize) {
        let account = self.account.lock().unwrap();
        (account.wrong.clone(), account.in_flight.values().sum())
    }

    /// What a node has after its start, held against what was answered: every job whose push was, unless it may be done.
    pub(crate) async fn check_kept(&self, http: &str) {
        let kept = kept(http).await;
        let account = self.account.lock().unwrap();
        let lost: Vec<_> = account.pushed.difference(&account.finished).filter(|jid| !kept.contains(*jid)).collect();
        assert!(lost.is_empty(), "of {}: {lost:?}", account.pushed.len());
    }

    /// Pushes no more and waits until every job that was pushed has run.
    pub(crate) async fn finish(self) -> Worked {
        self.account.lock().unwrap().producing = false;
        let all_ran = || {
            let account = self.account.lock().unwrap();
            account.pushed.iter().all(|jid| account.begun.contains_key(jid)).then_some(())
        };
        eventually("every job that was pushed has run", || async { all_ran() }).await;
        self.account.lock().unwrap().over = true;
        for thread in self.threads {
            thread.join().unwrap();
        }
        let account = self.account.lock().unwrap();
        assert_eq!(account.wrong, [""; 0]);
        for (jid, times) in &account.begun {
            let broken = account.in_flight.get(jid).copied().unwrap_or_default();
            assert!(*times <= 1 + broken, "{jid} was handed out {times} times, and {broken} times it was in flight");
        }
        Worked {
            pushed: account.pushed.len(),
            begun: account.begun.len(),
            twice: account.begun.values().map(|times| times - 1).sum(),
            in_flight: account.in_flight.values().sum(),
        }
    }
}

impl Account {
    fn expect(&mut self, what: &str, answer: Option<String>) {
        if answer.as_deref() != Some("+OK") {
            self.wrong.push(format!("{what}: {answer:?}"));
        }
    }
}

fn producer(account: &Mutex<Account>, _: usize) {
    while !account.lock().unwrap().over {
        let _ = produce(account);
        thread::sleep(BREATH);
    }
}

/// Until its connection breaks. What was not answered is pushed under no name again.
fn produce(account: &Mutex<Account>) -> io::Result<()> {
    let address = account.lock().unwrap().address.clone();
    let mut client = FaktoryClient::connect(address, None)?;
    loop {
        let jid = {
            let mut account = account.lock().unwrap();
            if account.over {
                return Ok(());
            }
            let waits = account.pushed.len() >= account.begun.len() + BACKLOG_MAX;
            account.names += 1;
            (account.producing && !waits).then(|| format!("job-{:08}", account.names))
        };
        if let Some(jid) = jid {
            let job = format!(r#"{{"jid":"{jid}","jobtype":"t","args":[],"reserve_for":{RESERVE_SECONDS}}}"#);
            let answer = client.say(&format!("PUSH {job}"))?;
            let mut account = account.lock().unwrap();
            account.expect("PUSH", answer);
            account.pushed.insert(jid);
        }
        thread::sleep(BREATH);
    }
}

fn worker(account: &Mutex<Account>, number: usize) {
    let (name, mut held) = (format!("worker-{number}"), None);
    while !account.lock().unwrap().over {
        let _ = work(account, &name, &mut held);
        thread::sleep(BREATH);
    }
}

/// Until its connection breaks. What it was doing it acknowledges when it is back, as a worker does that lives on.
fn work(account: &Mutex<Account>, name: &str, held: &mut Option<String>) -> io::Result<()> {
    let address = account.lock().unwrap().address.clone();
    let mut client = FaktoryClient::connect(address, Some(name))?;
    loop {
        let worked = turn(account, &mut client, held);
        if worked.is_err()
            && let Some(jid) = &held
        {
            *account.lock().unwrap().in_flight.entry(jid.clone()).or_default() += 1;
        }
        worked?;
        if account.lock().unwrap().over {
            return Ok(());
        }
    }
}

fn turn(account: &Mutex<Account>, client: &mut FaktoryClient, held: &mut Option<String>) -> io::Result<()> {
    if let Some(jid) = held.as_ref() {
        account.lock().unwrap().finished.insert(jid.clone());
        let answer = client.say(&format!(r#"ACK {{"jid":"{jid}"}}"#))?;
        account.lock().unwrap().expect("ACK", answer);
        *held = None;
    }
    if let Some(job) = client.fetch("default")? {
        let jid = job["jid"].as_str().unwrap().to_owned();
        *account.lock().unwrap().begun.entry(jid.clone()).or_default() += 1;
        *held = Some(jid);
        thread::sleep(BREATH);
    }
    Ok(())
}

async fn kept(http: &str) -> BTreeSet<String> {
    let (mut jobs, mut more) = (BTreeSet::new(), String::new());
    loop {
        let answer = reqwest::get(format!("http://{http}/v1/tasks?limit=500{more}")).await.unwrap();
        let page: Value = answer.json().await.unwrap();
        jobs.extend(page["items"].as_array().unwrap().iter().map(|task| task["jid"].as_str().unwrap().to_owned()));
        match page["continue"].as_str() {
            Some(after) => more = format!("&continue={after}"),
            None => return jobs,
        }
    }
}
