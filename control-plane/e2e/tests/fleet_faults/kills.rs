use std::time::{Duration, Instant};

use serde_json::json;
use switchyard_e2e::{
    fleet::{Fleet, Follows},
    process::{Process, open_files},
    resp::{Reply, RespClient},
};
use switchyard_store::histories::{check, read};
use switchyard_types::Digest;

use super::{
    decides, deciding, declare, goes_on, healthy,
    jobs::{Jobs, WORKERS},
    learn, load, measured, nothing_panicked, published, soak, truth,
};

const NODE: &str = "node";
/// Between two kills, at least.
const REQUESTS_BETWEEN: usize = 500;
const JOBS_BETWEEN: usize = 40;

fn kills() -> usize {
    if soak() { 50 } else { 3 }
}

/// What one start was like.
struct Start {
    took: Duration,
    resident_bytes: u64,
    open_files: usize,
}

/// F1: half of the kills while nobody is there whom the node could ask.
#[tokio::test(flavor = "multi_thread")]
async fn f1_a_node_is_killed_under_mixed_load() {
    let mut fleet = Fleet::start(1, 1).await.unwrap();
    let (admin, store) = (fleet.admin(0).unwrap(), fleet.store().unwrap());
    let (mut truth, _) = truth(&store).await;
    let history = fleet.folder().join("history");
    let arguments = ["--history", history.to_str().unwrap()];
    let plugins = published(&admin).await;
    let mut node = fleet.start_node(NODE, Follows::Etcd, &arguments).unwrap();
    let (id, jobs) = (node.ready().node.clone(), Jobs::start(&node.ready().faktory));
    let (mut starts, mut requests) = (Vec::new(), 0);
    for kill in 0..kills() {
        let (good, alone) = (plugins[kill % 2], kill % 2 == 1);
        declare(&admin, good).await;
        decides(&node, good).await;
        healthy(&admin, &node, good).await;
        learn(&mut truth, &store).await;
        let load = load(&node);
        goes_on(&load, REQUESTS_BETWEEN).await;
        jobs.go_on(JOBS_BETWEEN).await;
        if alone {
            fleet.kill_server(0).unwrap();
            fleet.etcd.members[0].kill();
            goes_on(&load, REQUESTS_BETWEEN).await;
            jobs.go_on(JOBS_BETWEEN).await;
        }
        assert_eq!((load.errors(), jobs.failures().0), (0, vec![]), "before the kill");
        node.kill().unwrap();
        requests += load.finish().unwrap().requests;
        let begun = Instant::now();
        node = fleet.start_node(NODE, Follows::Etcd, &arguments).unwrap();
        starts.push(serves(&node, good, begun));
        assert_eq!(node.ready().node, id, "it is the same node");
        jobs.check_kept(&node.ready().http).await;
        jobs.move_to(&node.ready().faktory);
        if alone {
            fleet.etcd.members[0].restart().await;
            fleet.restart_server(0).unwrap();
        }
    }
    // In contact again after the last one too: what is declared now comes.
    declare(&admin, plugins[kills() % 2]).await;
    decides(&node, plugins[kills() % 2]).await;
    learn(&mut truth, &store).await;
    let worked = jobs.finish().await;
    assert!(worked.twice <= worked.in_flight && worked.in_flight <= kills() * WORKERS, "{worked:?}");
    let seen = read(&history).unwrap();
    assert!(!seen.is_empty());
    assert_eq!(check(&seen, &truth), []);
    nothing_panicked(&fleet, &[NODE]);
    for start in &starts {
        let what = "first right answer of a node that was killed, after its start";
        measured("F1", json!({ "what": what, "measured_ms": start.took.as_millis() }));
    }
    let (first, last) = (&starts[0], &starts[starts.len() - 1]);
    measured(
        "F1",
        json!({
            "what": "a node killed under load, half of the times with etcd and the server away", "kills": kills(),
            "requests": requests, "jobs_pushed": worked.pushed, "jobs_run": worked.begun, "jobs_run_twice": worked.twice,
            "jobs_in_flight_at_kills": worked.in_flight,
            "resident_bytes_first_last": [first.resident_bytes, last.resident_bytes],
            "open_files_first_last": [first.open_files, last.open_files],
        }),
    );
}

/// The very first answer of a node that was started must be right: nobody is told to wait.
fn serves(node: &Process, good: Digest, begun: Instant) -> Start {
    assert_eq!(deciding(node), Some(good.to_string()), "the last known good configuration");
    let mut client = RespClient::connect(node.ready().resp.as_str()).unwrap();
    assert_eq!(client.call(&[b"SET", b"after", b"the kill"]).unwrap(), Reply::Status("OK".to_owned()));
    assert_eq!(client.call(&[b"GET", b"after"]).unwrap(), Reply::Bulk(Some(b"the kill".to_vec())));
    let took = begun.elapsed();
    let open_files = open_files(node.id().unwrap()).unwrap();
    Start { took, resident_bytes: node.resident_bytes().unwrap(), open_files }
}
