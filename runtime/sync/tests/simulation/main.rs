//! The protocol of the desired state under ten thousand fates (F36): two servers write, three nodes follow, one of them the
//! store and two what the servers relay, two candidates hold one office, and the network, the history and the leases do what they can. The code is the real one, the clock is tokio's
//! paused one, and everything that is drawn comes from one seed: a seed that fails is printed, and
//! `SWITCHYARD_SEED=N cargo nextest run …` runs it again. `SWITCHYARD_SEEDS=10000` runs as many.

#![allow(
    unreachable_pub,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod relayed;
mod store;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use relayed::Relayed;
use store::{Client, Weather, World};
use switchyard_store::{
    ConfigStore, LeaseKeeper, Observation, Operation, Precondition, Recorder, RelayStore, Revision, Snapshot,
    StoreError, Transaction, Update, campaign, keyspace, watch,
};
use switchyard_sync::{Decision, DesiredWriter, Edit, Present, ServerKey, TrustKey, WriteError, open};
use switchyard_types::Generation;
use tokio::time::{Instant, sleep, timeout};

/// Seeds of an ordinary run.
const SEEDS: u64 = 150;
/// Writes of each server, at leisure and in haste: then more come while the fate of one is not known than a seal remembers.
const WRITES: [u64; 2] = [12, 60];
/// The longest pause between two of them, in milliseconds.
const PAUSES_MS: [u64; 2] = [3_000, 60];
/// How long, on the paused clock, everybody may take to agree once the weather is fair.
const AGREE_MAX: Duration = Duration::from_secs(300);
/// Whose the clients are: the writers' are the first, and these follow.
const DIRECT: usize = 2;
const SERVERS: usize = 3;
const LEADERS: usize = 5;
const OFFICE: &str = "/switchyard/v1/leader";
/// Where whoever is in office writes down each of its acts.
const ACTS: &str = "/switchyard/v1/nodes/acts";

/// The value of a document names the one write that made it.
fn document(server: u64, write: u64) -> (String, Vec<u8>) {
    let name = fastrand::u64(..4);
    (format!("{}doc-{name}", keyspace::DESIRED), format!("{{\"by\":\"{server}-{write}\"}}").into_bytes())
}

/// What became of each write, as the writer knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Made(Revision),
    NotMade,
    Unknown,
}

/// How often what matters came about: a run in which it never did has shown nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tried {
    /// In office.
    acts: u64,
    /// Of a term that was over.
    acts_refused: u64,
    /// Lists after the first, because history was forgotten.
    lists_again: u64,
    /// Writes whose fate was learnt although an answer was lost.
    resolved: u64,
    /// Writes whose fate was not learnt.
    unknown: u64,
}

impl Tried {
    fn add(&mut self, other: Self) {
        self.acts += other.acts;
        self.acts_refused += other.acts_refused;
        self.lists_again += other.lists_again;
        self.resolved += other.resolved;
        self.unknown += other.unknown;
    }

    fn is_everything(&self) -> bool {
        [self.acts, self.acts_refused, self.lists_again, self.resolved, self.unknown].iter().all(|count| *count > 0)
    }
}

async fn write(server: u64, client: Client, key: ServerKey, hasty: bool) -> (BTreeMap<String, Told>, u64) {
    let writer = DesiredWriter::new(Arc::new(client.clone()), key);
    let (mut told, mut resolved) = (BTreeMap::new(), 0);
    for number in 0..WRITES[usize::from(hasty)] {
        let unanswered = client.unanswered();
        let (at, value) = document(server, number);
        let name = String::from_utf8(value.clone()).unwrap();
        let decide = |_: Present<'_>| -> Result<_, Infallible> {
            Ok(Decision::Write(Edit { key: at.clone(), value: Some(value.clone().into()) }, ()))
        };
        let outcome = match writer.write(decide).await {
            Ok(((), Some(revision))) => {
                resolved += u64::from(client.unanswered() > unanswered);
                Told::Made(revision)
            }
            Ok(((), None)) => unreachable!("there is always something to write"),
            Err(WriteError::Contended) => Told::NotMade,
            Err(WriteError::Store(StoreError::Unavailable(_))) => Told::Unknown,
            Err(other) => panic!("{other:?}"),
        };
        told.insert(name, outcome);
        sleep(Duration::from_millis(fastrand::u64(0..PAUSES_MS[usize::from(hasty)]))).await;
    }
    (told, resolved)
}

/// What a follower saw, as its watch told it.
#[derive(Default)]
struct Seen(Mutex<Vec<See>>);

#[derive(Debug, Clone, PartialEq)]
enum See {
    Listed(Snapshot),
    Updated(Update),
}

impl Recorder for Seen {
    fn record(&self, observation: Observation<'_>) {
        let see = match observation {
            Observation::Listed(snapshot) => See::Listed(snapshot.clone()),
            Observation::Updated(update) => See::Updated(update.clone()),
            Observation::Failed(_) => return,
        };
        self.0.lock().unwrap().push(see);
    }
}

/// Follows as a node does, until it is told to stop; every generation that it followed, in order.
async fn follow(
    store: Arc<dyn ConfigStore>,
    trust: TrustKey,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    newest: Arc<Mutex<Snapshot>>,
) -> Vec<Generation> {
    let mut watch = watch(store, keyspace::DESIRED, Some(seen));
    let (mut followed, mut highest) = (Vec::new(), Generation::default());
    while !stop.load(Ordering::Relaxed) {
        let Ok(snapshot) = timeout(Duration::from_secs(1), watch.next()).await else { continue };
        let declared = open_documents(&snapshot, &trust);
        assert!(declared >= highest, "{declared} after {highest}");
        highest = declared;
        followed.push(declared);
        *newest.lock().unwrap() = (*snapshot).clone();
    }
    followed
}

/// The generation, if all of it was sealed together: half a transaction would break the seal.
fn open_documents(snapshot: &Snapshot, trust: &TrustKey) -> Generation {
    open(snapshot, trust).unwrap_or_else(|error| panic!("{error}: {snapshot:?}")).generation
}

/// Holds the office whenever it can, and notes each act with the term: fenced, as every leader's write is. How many were refused.
async fn lead(number: u64, client: Client, stop: Arc<AtomicBool>) -> u64 {
    let mut refused = 0;
    let store: Arc<dyn ConfigStore> = Arc::new(client);
    let keeper = LeaseKeeper::start(Arc::clone(&store), Duration::from_secs(5));
    while !stop.load(Ordering::Relaxed) {
        let Some(lease) = keeper.lease() else {
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        let candidate = format!(r#"{{"id":"candidate-{number}"}}"#);
        let standing = timeout(Duration::from_secs(30), campaign(&*store, OFFICE, candidate.into(), lease));
        let Ok(Ok(office)) = standing.await else { continue };
        // It goes on acting although its lease may be long over: the store must be the one that refuses.
        for _ in 0..fastrand::u64(1..6) {
            sleep(Duration::from_millis(fastrand::u64(0..4_000))).await;
            let act = Operation::put(ACTS, format!("{number} {}", office.revision.0));
            let act = Transaction { preconditions: vec![office.precondition()], operations: vec![act] };
            if let Ok(Err(StoreError::Conflict { .. })) = timeout(Duration::from_secs(5), store.txn(act)).await {
                refused += 1;
                break;
            }
        }
    }
    keeper.shutdown().await;
    refused
}

/// Cuts clients off, joins them again, forgets history.
async fn disturb(world: World, clients: Vec<Client>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(fastrand::u64(0..2_000))).await;
        match fastrand::u32(..10) {
            0..4 => clients[fastrand::usize(..clients.len())].cut(true),
            4..9 => clients[fastrand::usize(..clients.len())].cut(false),
            _ => world.compact(fastrand::u64(..20)),
        }
    }
}

async fn look_after_leases(world: World, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(100)).await;
        world.tick();
    }
}

/// Everything that happened, in one text: the same seed gives the same one.
async fn run(seed: u64) -> (String, Tried) {
    fastrand::seed(seed);
    let bad = |most: u32| fastrand::u32(..=most);
    let weather = Weather {
        request_lost: bad(15),
        answer_lost: bad(15),
        late: bad(10),
        stream_breaks: bad(10),
        stream_silent: bad(3),
    };
    let world = World::default();
    let key = ServerKey::from_secret_text(&"7".repeat(64)).unwrap();
    let clients: Vec<Client> = (0..7).map(|_| world.client(weather)).collect();
    let (stop, calm) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let seen: Vec<Arc<Seen>> = (0..3).map(|_| Arc::default()).collect();
    let newest: Vec<Arc<Mutex<Snapshot>>> = (0..3).map(|_| Arc::default()).collect();
    let servers: Vec<_> =
        (0..2).map(|n| RelayStore::new(Arc::new(clients[SERVERS + n].clone()), keyspace::DESIRED)).collect();
    let followers: Vec<_> = (0..3)
        .map(|n| {
            let store: Arc<dyn ConfigStore> = match n {
                0 => Arc::new(clients[DIRECT].clone()),
                _ => Arc::new(Relayed::new(servers.clone())),
            };
            let (seen, newest) = (Arc::clone(&seen[n]), Arc::clone(&newest[n]));
            tokio::spawn(follow(store, key.trust(), seen, Arc::clone(&stop), newest))
        })
        .collect();
    let leaders: Vec<_> =
        (0..2).map(|n| tokio::spawn(lead(n, clients[LEADERS + n as usize].clone(), Arc::clone(&calm)))).collect();
    let leases = tokio::spawn(look_after_leases(world.clone(), Arc::clone(&stop)));
    let nemesis = tokio::spawn(disturb(world.clone(), clients.clone(), Arc::clone(&calm)));
    let hasty = fastrand::bool();
    let writers: Vec<_> =
        (0..2).map(|n| tokio::spawn(write(n, clients[n as usize].clone(), key.clone(), hasty))).collect();
    let (mut told, mut tried) = (BTreeMap::new(), Tried::default());
    for writer in writers {
        let (of_one, resolved) = writer.await.unwrap();
        told.extend(of_one);
        tried.resolved += resolved;
    }
    calm.store(true, Ordering::Relaxed);
    nemesis.await.unwrap();
    clients.iter().for_each(Client::fair);
    // One server may stay cut off: who follows it finds the other one.
    clients[SERVERS].cut(fastrand::bool());
    // What was sent before may still arrive.
    sleep(Duration::from_secs(30)).await;
    let until = Instant::now() + AGREE_MAX;
    loop {
        let truth = world.snapshot(keyspace::DESIRED).entries;
        if newest.iter().all(|one| one.lock().unwrap().entries == truth) {
            break;
        }
        if Instant::now() >= until {
            let known: Vec<_> = newest.iter().map(|one| one.lock().unwrap().revision).collect();
            let silent: Vec<_> = servers.iter().map(RelayStore::staleness).collect();
            panic!(
                "the followers know {known:?}, the servers have heard nothing for {silent:?}, the store has {truth:?}"
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for leader in leaders {
        tried.acts_refused += leader.await.unwrap();
    }
    let mut followed = Vec::new();
    for follower in followers {
        followed.push(follower.await.unwrap());
    }
    leases.await.unwrap();
    let history = world.history();
    check_writes(&history, &told);
    tried.acts = check_acts(&history);
    tried.unknown = told.values().filter(|told| **told == Told::Unknown).count() as u64;
    for seen in &seen {
        let seen = seen.0.lock().unwrap();
        check_seen(&history, &seen);
        let lists = seen.iter().filter(|see| matches!(see, See::Listed(_))).count() as u64;
        tried.lists_again += lists.saturating_sub(1);
    }
    let moments: Vec<_> = history.iter().map(|(revision, changes)| (revision, changes.len())).collect();
    (format!("{told:?} {followed:?} {moments:?}"), tried)
}

/// A write that was acknowledged was made once, at the revision that was told; one whose fate is unknown at most once; one that
/// was not made never.
fn check_writes(history: &[(u64, Vec<switchyard_store::Change>)], told: &BTreeMap<String, Told>) {
    let mut made: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (revision, changes) in history {
        for change in changes.iter().filter(|change| change.key.contains("/doc-")) {
            let value = String::from_utf8(change.entry.as_ref().unwrap().value.to_vec()).unwrap();
            made.entry(value).or_default().push(*revision);
        }
    }
    for (write, told) in told {
        let found = made.get(write).map_or(&[][..], Vec::as_slice);
        match told {
            Told::Made(revision) => assert_eq!(found.len(), 1, "{write} {revision:?} {found:?}"),
            Told::NotMade => assert!(found.is_empty(), "{write} {found:?}"),
            Told::Unknown => assert!(found.len() <= 1, "{write} {found:?}"),
        }
        if let (Told::Made(revision), [found]) = (told, found) {
            assert_eq!(revision.0, *found, "{write}");
        }
    }
}

/// Who is in office acts, and nobody acts of a term that is over: terms in the history only grow. How many acts there were.
fn check_acts(history: &[(u64, Vec<switchyard_store::Change>)]) -> u64 {
    let (mut office, mut last, mut acts) = (None, 0, 0);
    for (revision, changes) in history {
        for change in changes {
            match change.key.as_str() {
                OFFICE => office = change.entry.as_ref().map(|_| *revision),
                ACTS => {
                    let text = String::from_utf8(change.entry.as_ref().unwrap().value.to_vec()).unwrap();
                    let term: u64 = text.split_once(' ').unwrap().1.parse().unwrap();
                    assert_eq!(office, Some(term), "an act of a term that is over, at {revision}");
                    assert!(term >= last);
                    last = term;
                    acts += 1;
                }
                _ => {}
            }
        }
    }
    acts
}

/// What a follower is told is what happened: in its order, once, whole, and without a gap but where it lists.
fn check_seen(history: &[(u64, Vec<switchyard_store::Change>)], seen: &[See]) {
    let mine: Vec<(u64, Vec<_>)> = history
        .iter()
        .map(|(revision, changes)| {
            let changes: Vec<_> =
                changes.iter().filter(|change| change.key.starts_with(keyspace::DESIRED)).cloned().collect();
            (*revision, changes)
        })
        .filter(|(_, changes)| !changes.is_empty())
        .collect();
    let mut at = 0;
    for see in seen {
        match see {
            See::Listed(snapshot) => {
                let mut truth = BTreeMap::new();
                for (_, changes) in mine.iter().take_while(|(revision, _)| *revision <= snapshot.revision.0) {
                    for change in changes {
                        match &change.entry {
                            Some(entry) => truth.insert(change.key.clone(), entry.clone()),
                            None => truth.remove(&change.key),
                        };
                    }
                }
                assert_eq!(snapshot.entries, truth, "a list at {:?}", snapshot.revision);
                assert!(snapshot.revision.0 >= at, "a list that goes back");
                at = snapshot.revision.0;
            }
            See::Updated(Update::Changed { revision, changes }) => {
                let next = mine.iter().find(|(of, _)| *of > at).expect("what is told has happened");
                assert_eq!((revision.0, changes), (next.0, &next.1), "after {at}");
                at = revision.0;
            }
            See::Updated(Update::Progress(revision)) => {
                let skipped = mine.iter().find(|(of, _)| *of > at && *of <= revision.0);
                assert!(skipped.is_none(), "a bookmark at {revision:?} before {skipped:?}");
                at = at.max(revision.0);
            }
            See::Updated(Update::Alive) => {}
        }
    }
}

fn simulate(seed: u64) -> (String, Tried) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(run(seed))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[test]
fn the_protocol_holds_whatever_the_seed() {
    if let Some(seed) = number("SWITCHYARD_SEED") {
        let (text, tried) = simulate(seed);
        println!("{text}\n{tried:?}");
        return;
    }
    let seeds = number("SWITCHYARD_SEEDS").unwrap_or(SEEDS);
    let next = std::sync::atomic::AtomicU64::new(0);
    let tried = Mutex::new(Tried::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            match std::panic::catch_unwind(|| simulate(seed)) {
                Ok((_, of_one)) => tried.lock().unwrap().add(of_one),
                Err(panic) => {
                    println!("seed {seed} breaks the protocol: run it again with SWITCHYARD_SEED={seed}");
                    std::panic::resume_unwind(panic);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().expect("a seed breaks the protocol");
        }
    });
    let tried = tried.into_inner().unwrap();
    println!("{tried:?}");
    assert!(tried.is_everything(), "the protocol was not tried: {tried:?}");
    println!("{{\"fault\":\"F36\",\"what\":\"seeds of the sync protocol\",\"count\":{seeds},\"broken\":0}}");
}

#[test]
fn a_seed_replays() {
    for seed in [1, 2, 3] {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}

/// The checks find what they are for.
#[test]
fn a_wrong_history_is_found() {
    let world = World::default();
    let put = |key: &str, value: &str| {
        let client = world.client(Weather::FAIR);
        let transaction = Transaction {
            preconditions: vec![(key.to_owned(), Precondition::Absent)],
            operations: vec![Operation::put(key, value.to_owned())],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { client.txn(transaction).await.unwrap() })
    };
    put("/switchyard/v1/desired/doc-1", "a");
    put("/switchyard/v1/desired/doc-2", "b");
    let history = world.history();
    let fails = |check: &dyn Fn()| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err());
    };
    let changed = |index: usize| {
        See::Updated(Update::Changed { revision: Revision(history[index].0), changes: history[index].1.clone() })
    };
    check_seen(&history, &[changed(0), changed(1)]);
    fails(&|| check_seen(&history, &[changed(1)]));
    fails(&|| check_seen(&history, &[changed(0), changed(0)]));
    fails(&|| check_seen(&history, &[See::Updated(Update::Progress(Revision(2)))]));
    fails(&|| check_seen(&history, &[See::Listed(Snapshot { revision: Revision(1), ..Snapshot::default() })]));
    let told = |of: Told| BTreeMap::from([("a".to_owned(), of), ("never".to_owned(), Told::Unknown)]);
    check_writes(&history, &told(Told::Made(Revision(1))));
    fails(&|| check_writes(&history, &told(Told::NotMade)));
    fails(&|| check_writes(&history, &told(Told::Made(Revision(2)))));
    fails(&|| check_writes(&history, &BTreeMap::from([("never".to_owned(), Told::Made(Revision(1)))])));
    let acts = |term: u64| {
        vec![
            (1, history[0].1.clone()),
            (
                2,
                vec![switchyard_store::Change {
                    key: ACTS.to_owned(),
                    entry: Some(switchyard_store::Versioned {
                        value: format!("0 {term}").into(),
                        revision: Revision(2),
                    }),
                }],
            ),
        ]
    };
    fails(&|| {
        check_acts(&acts(1));
    });
}
