//! The real components through the engine: one shard of `caching-lru` is exactly LRU, results repeat themselves, and what
//! cannot be replayed is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use proptest::prelude::*;
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_replay::{Candidate, Job, Progress, Replay, ReplayError, Request, Size, TraceReader, reference::Lru};
use tempfile::TempDir;

fn host() -> Host {
    Host::new(HostConfig::new(Compiler::InProcess)).unwrap()
}

fn candidate(host: &Host, name: &str) -> Candidate {
    let folder = env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component = fs::read(&path);
    let component = component.unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask test", path.display()));
    let plugin = host.load(&component).unwrap();
    Candidate::Strategy(plugin.strategy(&plugin.manifest().configuration_default, Replay::LIMITS).unwrap())
}

fn trace(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn job(trace: &Path, name: &str, candidate: &Candidate, size: &str) -> Job {
    Job {
        trace: trace.to_path_buf(),
        strategy: name.to_owned(),
        candidate: candidate.clone(),
        size: size.parse().unwrap(),
    }
}

/// Requests that come back at many distances.
fn table(requests: u64) -> String {
    let mut text = "time,obj_id,size\n".to_owned();
    for at in 0..requests {
        let object = switchyard_replay::id::splitmix64(at) % (1 + at % 300);
        text.push_str(&format!("{at},{object},{}\n", 1 + object * 37 % 500));
    }
    text
}

fn reference_hits(trace: &Path, size: &Size, sized: bool) -> u64 {
    let (mut lru, mut sizes) = (Lru::new(size.budget().capacity), HashMap::new());
    let requests = TraceReader::open(trace).unwrap().map(Result::unwrap);
    let access = |request: Request| {
        let first = *sizes.entry(request.id).or_insert(request.size);
        u64::from(lru.access(request.id, if sized { first } else { 1 }))
    };
    requests.map(access).sum()
}

#[test]
fn one_shard_of_caching_lru_is_exactly_lru() {
    let (folder, host) = (TempDir::new().unwrap(), host());
    let (path, lru) = (trace(&folder, "a.csv", &table(20_000)), candidate(&host, "caching-lru"));
    let replay = Replay::new(host, 1);
    for size in ["1", "10", "100", "299", "1000", "500B", "4KiB", "20KiB", "1MiB"] {
        let outcome = replay.run(&job(&path, "caching-lru", &lru, size), |_| {}).unwrap();
        let expected = reference_hits(&path, &outcome.size, size.ends_with('B'));
        assert_eq!((outcome.requests, outcome.hits), (20_000, expected), "{size}");
        assert_eq!(outcome.hit_ratio, expected as f64 / 20_000.0);
    }
}

#[test]
fn several_jobs_give_their_outcomes_in_order_and_repeat_themselves() {
    let (folder, host) = (TempDir::new().unwrap(), host());
    let path = trace(&folder, "a.csv", &table(150_000));
    let candidates = [
        ("caching-lru", candidate(&host, "caching-lru")),
        ("caching-s3fifo", candidate(&host, "caching-s3fifo")),
        ("fallback", Candidate::Fallback),
    ];
    let jobs: Vec<_> = candidates
        .iter()
        .flat_map(|(name, candidate)| ["40", "30KiB"].map(|size| job(&path, name, candidate, size)))
        .collect();
    let replay = Replay::new(host, 3);
    let seen = Mutex::new(Vec::new());
    let outcomes = replay.run_all(&jobs, 2, |progress| seen.lock().unwrap().push(progress)).unwrap();
    for (job, outcome) in jobs.iter().zip(&outcomes) {
        assert_eq!((&job.strategy, &job.size, outcome.shards), (&outcome.strategy, &outcome.size, 4));
        assert!(outcome.hits > 0 && outcome.hits < outcome.requests);
        let Candidate::Strategy(_) = job.candidate else { continue };
        assert_eq!(&replay.run(job, |_| {}).unwrap(), outcome);
    }
    let seen = seen.into_inner().unwrap();
    for at in 0..jobs.len() {
        let last = Progress { job: at, requests: 150_000, done: true };
        assert_eq!(seen.iter().rfind(|progress| progress.job == at), Some(&last));
        assert!(seen.contains(&Progress { job: at, requests: 65_536, done: false }));
    }
}

#[test]
fn an_outcome_has_exactly_these_fields() {
    let (folder, host) = (TempDir::new().unwrap(), host());
    let path = trace(&folder, "a.txt", "a\nb\na\n");
    let outcome = Replay::new(host, 1).run(&job(&path, "fallback", &Candidate::Fallback, "2"), |_| {}).unwrap();
    let json = serde_json::to_value(&outcome).unwrap();
    let expected = serde_json::json!({
        "trace": path, "strategy": "fallback", "size": 2, "shards": 1, "requests": 3, "hits": 1, "hit_ratio": 1.0 / 3.0
    });
    assert_eq!(json, expected);
}

#[test]
fn what_gives_no_result_is_an_error() {
    let (folder, host) = (TempDir::new().unwrap(), host());
    let (text, cut) = (trace(&folder, "a.txt", "a\nb\n"), trace(&folder, "b.csv", "time,obj_id,size\n1,2,3\n1,2"));
    let fails = |shards, path: &Path, size| {
        Replay::new(host.clone(), shards).run(&job(path, "fallback", &Candidate::Fallback, size), |_| {}).unwrap_err()
    };
    assert!(matches!(fails(1, &text, "1KiB"), ReplayError::NoSizes { .. }));
    assert!(matches!(fails(4, &text, "3"), ReplayError::TooSmall { shards: 4, .. }));
    assert!(matches!(fails(1, &cut, "3"), ReplayError::Trace(_)));
    let jobs = [job(&text, "a", &Candidate::Fallback, "3"), job(&cut, "b", &Candidate::Fallback, "3")];
    let error = Replay::new(host, 1).run_all(&jobs, 2, |_| {}).unwrap_err().to_string();
    assert!(error.contains("b.csv, line 3"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn caching_lru_and_the_reference_agree(
        requests in proptest::collection::vec((0_u32..60, 1_u32..50), 1..3_000),
        entries in 1_u64..80,
        bytes in 1_u64..2_000,
    ) {
        static LRU: LazyLock<(Replay, Candidate)> = LazyLock::new(|| {
            let host = host();
            let lru = candidate(&host, "caching-lru");
            (Replay::new(host, 1), lru)
        });
        let folder = TempDir::new().unwrap();
        let mut text = "time,obj_id,size\n".to_owned();
        requests.iter().for_each(|(object, size)| text.push_str(&format!("0,{object},{size}\n")));
        let ((replay, lru), path) = (&*LRU, trace(&folder, "a.csv", &text));
        for size in [entries.to_string(), format!("{bytes}B")] {
            let outcome = replay.run(&job(&path, "caching-lru", lru, &size), |_| {}).unwrap();
            prop_assert_eq!(outcome.hits, reference_hits(&path, &outcome.size, size.ends_with('B')), "{}", size);
        }
    }
}
