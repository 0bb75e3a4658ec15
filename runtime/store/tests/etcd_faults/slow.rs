use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use switchyard_store::{
    ConfigStore, EtcdStore, Observation, Recorder, Revision, Snapshot, SnapshotWatch, Update,
    histories::{self, FileRecorder, Truth},
    testing::{DEADLINE, EtcdProcess, eventually},
    watch,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use super::{
    PREFIX, assert_accounted, assert_possible,
    followed::Followed,
    measured, probe, soak, store, truth_since,
    writers::{Writers, Written},
};

/// So many that the pace does not hang on how long one write takes.
const WRITERS: usize = 32;
/// How much the memory of a follower may grow by what it could not take.
const GROWTH_MAX_BYTES: u64 = 64 << 20;
/// What the child is told by its environment.
const ENDPOINT: &str = "SWITCHYARD_FAULTS_ENDPOINT";
const HISTORY: &str = "SWITCHYARD_FAULTS_HISTORY";

/// How long the follower does nothing, and how much is written meanwhile, each second.
fn scale() -> (Duration, u32) {
    if soak() { (Duration::from_secs(60), 500) } else { (Duration::from_secs(8), 300) }
}

/// F7: a follower does nothing for a while and then catches up: it holds no more than before, and nobody else notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f7_a_follower_is_stopped_under_updates() {
    let etcd = EtcdProcess::start().await;
    let endpoints = vec![etcd.address().to_owned()];
    let admin = store(endpoints.clone()).await;
    let start = admin.snapshot(PREFIX).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut slow = Slow::start(etcd.address(), folder.path().join("history"));
    slow.reaches(Revision::default()).await;
    let mut other = Followed::start(store(endpoints.clone()).await).await;
    let beside = Beside::start(store(endpoints.clone()).await);

    let (pause, writes_per_second) = scale();
    let mut stores = Vec::new();
    for _ in 0..WRITERS {
        stores.push(store(endpoints.clone()).await);
    }
    let writers = Writers::start(stores, writes_per_second);
    let begun = Instant::now();
    writers.more(3 * u64::from(writes_per_second)).await;
    slow.reaches(probe(&admin).await).await;
    let before = slow.memory_bytes("VmRSS");

    let (known, written) = (slow.snapshots, writers.acknowledged());
    let stopped = Instant::now();
    slow.signal(Signal::STOP);
    // The length of the pause is the fault itself, not a wait for something.
    sleep(pause).await;
    let missed = writers.acknowledged() - written;
    // The other one is where etcd is, while this one stands still.
    let revision = probe(&admin).await;
    other.reaches(revision).await;
    slow.signal(Signal::CONT);
    let since = Instant::now();
    slow.reaches(revision).await;
    measured("F7", "the follower has caught up", since.elapsed());
    let shown = slow.snapshots - known;
    println!("{missed} updates in {pause:?} were missed and caught up with in {shown} snapshots");
    assert!(missed > 0 && shown < missed, "what it missed is shown together: {shown} of {missed}");

    let written = writers.stop().await;
    let truth = truth_since(start, &admin).await;
    assert_accounted(&written, &truth);
    slow.verify(&truth, before).await;
    other.verify(&truth).await;
    assert_eq!((other.history.lists(), other.history.failures()), (1, 0), "the other one was disturbed");
    beside.reaches(truth.until()).await;
    measured("F7", "the longest lag of a follower beside it, before", beside.longest_lag(&written, begun..stopped));
    let meanwhile = beside.longest_lag(&written, stopped..since);
    measured("F7", "the longest lag of a follower beside it, while the other one is stopped", meanwhile);
}

/// A follower in a process of its own.
struct Slow {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    history: PathBuf,
    /// How many it has shown.
    snapshots: u64,
}

impl Slow {
    fn start(endpoint: &str, history: PathBuf) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "slow::follower_that_is_stopped", "--ignored", "--nocapture"])
            .env(ENDPOINT, endpoint)
            .env(HISTORY, &history)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, history, snapshots: 0 }
    }

    /// Waits until it shows that revision or a later one: the hash of what it shows then.
    async fn reaches(&mut self, revision: Revision) -> u64 {
        let reached = async {
            loop {
                let line = self.lines.next_line().await.unwrap().unwrap();
                // The test harness talks too.
                let Some((_, shown)) = line.rsplit_once("shown ") else { continue };
                let mut numbers = shown.split(' ').map(|number| number.parse::<u64>().unwrap());
                self.snapshots += 1;
                if numbers.next().unwrap() >= revision.0 {
                    return numbers.next().unwrap();
                }
            }
        };
        timeout(DEADLINE, reached).await.unwrap()
    }

    /// It has held no more than it may, what it shows is what there is, and what it has seen may be so.
    async fn verify(&mut self, truth: &Truth, memory_before: u64) {
        let hash = self.reaches(truth.until()).await;
        let growth = self.memory_bytes("VmHWM").saturating_sub(memory_before);
        println!("its memory grew by {} KiB at most", growth >> 10);
        assert!(growth < GROWTH_MAX_BYTES, "{growth}");
        let expected = Snapshot { revision: truth.until(), entries: truth.at(truth.until()).unwrap() };
        assert_eq!(hash, hash_of(&expected), "its mirror is what there is");
        let history = histories::read(&self.history).unwrap();
        assert_eq!(histories::replay(&history).unwrap().snapshot().entries, expected.entries);
        assert_possible(&history, truth);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap()
    }

    /// What the system says of its memory: `VmRSS` is now, `VmHWM` the most that it ever was.
    fn memory_bytes(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id().as_raw_nonzero())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }
}

#[tokio::test]
#[ignore = "the child of the test before"]
async fn follower_that_is_stopped() {
    let store = store(vec![std::env::var(ENDPOINT).unwrap()]).await;
    let recorder = FileRecorder::create(Path::new(&std::env::var(HISTORY).unwrap())).unwrap();
    let mut followed = watch(Arc::new(store), PREFIX, Some(recorder));
    std::thread::spawn(|| {
        // It ends when nobody holds the other end any more.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    loop {
        let snapshot = followed.next().await;
        println!("shown {} {}", snapshot.revision.0, hash_of(&snapshot));
    }
}

/// The same in both processes: it is one program.
fn hash_of(snapshot: &Snapshot) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, entry) in &snapshot.entries {
        (key, &entry.value, entry.revision).hash(&mut hasher);
    }
    hasher.finish()
}

/// A follower whose lag is measured.
struct Beside {
    watch: SnapshotWatch,
    arrivals: Arc<Arrivals>,
}

impl Beside {
    fn start(store: EtcdStore) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        Self { watch: watch(Arc::new(store), PREFIX, Some(arrivals.clone())), arrivals }
    }

    async fn reaches(&self, revision: Revision) {
        let is_there = || async { (self.watch.latest()?.revision >= revision).then_some(()) };
        eventually("the end", is_there).await;
    }

    /// From the acknowledgement of a write in that time until its update came.
    fn longest_lag(&self, written: &[Written], when: Range<Instant>) -> Duration {
        let arrivals = self.arrivals.0.lock();
        let acknowledged = written.iter().flat_map(|writer| writer.revisions.iter().zip(&writer.instants));
        let then = acknowledged.filter(|(_, at)| when.contains(at));
        then.map(|(revision, at)| arrivals[revision].saturating_duration_since(*at)).max().unwrap()
    }
}

/// When each update came.
#[derive(Default)]
struct Arrivals(Mutex<BTreeMap<Revision, Instant>>);

impl Recorder for Arrivals {
    fn record(&self, observation: Observation<'_>) {
        if let Observation::Updated(Update::Changed { revision, .. }) = observation {
            self.0.lock().insert(*revision, Instant::now());
        }
    }
}
