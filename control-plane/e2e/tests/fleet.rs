//! A fleet of real processes: several servers and nodes on an etcd of three members, and what becomes of it when parts die.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use switchyard_e2e::{
    admin::{Admin, caching_strategy},
    fleet::{Fleet, Follows},
    load::{Load, Plan},
    paths,
    process::Process,
    resp::RespClient,
    workload::Workload,
};
use switchyard_store::{
    ConfigStore, Revision, Update,
    histories::{Truth, check, read},
    keyspace,
    testing::{EtcdOptions, eventually},
};
use switchyard_types::{Digest, ErrorCode, NodeRecord};

fn load(node: &Process) -> Load {
    let ids = Workload::generated(3).ids.into_iter().take(100_000).collect();
    let address = node.ready().resp.parse().unwrap();
    Load::start(ids, Plan { address, connections: 2, duration_min: Duration::ZERO, repeat: true }).unwrap()
}

async fn publish(admin: &Admin, plugin: &str) -> Digest {
    let component = std::fs::read(paths::plugin(plugin).unwrap()).unwrap();
    admin.push(component).await.unwrap().accepted().unwrap().digest
}

async fn declare(admin: &Admin, plugin: Digest) -> u64 {
    let document = caching_strategy("pages", &plugin.to_string(), None);
    let declared = admin.apply(&document).await.unwrap().accepted().unwrap();
    declared.status.unwrap().generation.counter
}

/// The plugin that decides in the node's cache, as the cache itself says.
async fn decides(node: &Process, plugin: Digest) {
    let address = node.ready().resp.clone();
    eventually("the plugin decides", || {
        let address = address.clone();
        async move {
            let mut client = RespClient::connect(address.as_str()).ok()?;
            (client.info("caching_plugin").ok()?? == plugin.to_string()).then_some(())
        }
    })
    .await;
}

/// What the node's report says, once it says what is waited for.
async fn reported(admin: &Admin, node: &str, what: &str, holds: impl Fn(&switchyard_types::NodeStatus) -> bool) {
    eventually(what, || async {
        let status = admin.node(node).await.ok()??;
        holds(&status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_is_killed_and_nothing_is_lost() {
    let mut fleet = Fleet::start(3, 2).await.unwrap();
    let histories = ["node-a", "node-b", "node-c"].map(|name| fleet.folder().join(format!("{name}.history")));
    let recorded = |n: usize| ["--history", histories[n].to_str().unwrap()].map(str::to_owned);
    let start = |fleet: &Fleet, n: usize, name: &str, follows: Follows| {
        let [flag, file] = recorded(n);
        fleet.start_node(name, follows, &[&flag, &file]).unwrap()
    };
    let store = fleet.store().unwrap();
    let start_of_all = store.snapshot(keyspace::DESIRED).await.unwrap();
    let (began, mut truth) = (start_of_all.revision, Truth::new(start_of_all));
    let nodes = [
        start(&fleet, 0, "node-a", Follows::Etcd),
        start(&fleet, 1, "node-b", Follows::Servers),
        start(&fleet, 2, "node-c", Follows::Servers),
    ];
    let (lru, s3fifo) = {
        let admin = fleet.admin(0).unwrap();
        let digests = (publish(&admin, "caching-lru").await, publish(&admin, "caching-s3fifo").await);
        declare(&admin, digests.0).await;
        digests
    };
    for node in &nodes {
        decides(node, lru).await;
    }
    // The bytes of what was published to the first server: the second one gets them from it, before it is gone.
    let other = fleet.admin(1).unwrap();
    let bytes = other.request(Method::GET, &format!("/v1/blobs/{s3fifo}")).send().await.unwrap();
    assert!(bytes.status().is_success(), "{}", bytes.status());

    let [killed, stays, too] = nodes;
    let (load_b, load_c) = (load(&stays), load(&too));
    let leader = fleet.etcd.leader().await;
    fleet.etcd.members[leader].kill();
    fleet.kill_server(0).unwrap();
    let killed_id = killed.ready().node.clone();
    killed.kill().unwrap();
    let generation = declare(&other, s3fifo).await;
    assert_eq!(generation, 2);
    decides(&stays, s3fifo).await;
    decides(&too, s3fifo).await;

    let again = start(&fleet, 0, "node-a", Follows::Etcd);
    assert_eq!(again.ready().node, killed_id, "it is the same node");
    decides(&again, s3fifo).await;
    fleet.etcd.members[leader].restart().await;
    fleet.restart_server(0).unwrap();
    let admin = fleet.admin(0).unwrap();
    for node in [&again, &stays, &too] {
        reported(&admin, &node.ready().node, "every status is there", |status| status.generation.counter == 2).await;
    }
    for load in [load_b, load_c] {
        let served = load.finish().unwrap();
        assert_eq!((served.errors, served.first_error), (0, None));
        assert!(served.requests > 0);
    }
    // What each node was told, held against what has happened: all six promises.
    let now = store.get(keyspace::SEAL).await.unwrap().unwrap().revision;
    let mut updates = store.updates(keyspace::DESIRED, began).await.unwrap();
    truth.follow(&mut updates, now).await.unwrap();
    for history in histories {
        let seen = read(&history).unwrap();
        assert!(!seen.is_empty());
        assert_eq!(check(&seen, &truth), [], "{}", history.display());
    }
}

/// F3.
#[tokio::test(flavor = "multi_thread")]
async fn with_all_of_etcd_down_the_nodes_go_on_and_writes_are_refused() {
    let mut fleet = Fleet::start(1, 1).await.unwrap();
    let admin = fleet.admin(0).unwrap();
    let stays = fleet.start_node("stays", Follows::Etcd, &[]).unwrap();
    let restarted = fleet.start_node("restarted", Follows::Servers, &[]).unwrap();
    let (lru, s3fifo) = (publish(&admin, "caching-lru").await, publish(&admin, "caching-s3fifo").await);
    declare(&admin, lru).await;
    for node in [&stays, &restarted] {
        decides(node, lru).await;
        reported(&admin, &node.ready().node, "healthy", |status| {
            status.slots.iter().any(|slot| slot.last_healthy.is_some())
        })
        .await;
    }
    let load = load(&stays);
    fleet.etcd.members[0].kill();
    restarted.kill().unwrap();
    let restarted = fleet.start_node("restarted", Follows::Servers, &[]).unwrap();
    decides(&restarted, lru).await;
    // A change is refused as what may be tried again, and says when.
    let document = caching_strategy("pages", &s3fifo.to_string(), None);
    let answer = admin.request(Method::PUT, "/v1/strategies/pages").json(&document).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    // How old what the node follows may be stands in its metrics, and grows.
    let staleness = || async {
        let text = reqwest::get(format!("http://{}/metrics", stays.ready().http)).await.ok()?.text().await.ok()?;
        let line = text.lines().find(|line| line.starts_with("config_staleness_seconds"))?;
        line.rsplit_once(' ')?.1.parse::<f64>().ok()
    };
    eventually("the staleness grows", || async { staleness().await.filter(|seconds| *seconds > 13.0) }).await;
    fleet.etcd.members[0].restart().await;
    let declared =
        eventually("writes are taken again", || async { admin.apply(&document).await.ok()?.accepted().ok() }).await;
    assert_eq!(declared.status.unwrap().generation.counter, 2);
    for node in [&stays, &restarted] {
        decides(node, s3fifo).await;
    }
    eventually("in contact again", || async { staleness().await.filter(|seconds| *seconds < 13.0) }).await;
    let served = load.finish().unwrap();
    assert_eq!((served.errors, served.first_error), (0, None));
}

/// F8.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_etcd_is_told_and_recovers_without_restarts() {
    let options = EtcdOptions { quota_bytes: Some(8 << 20), ..EtcdOptions::default() };
    let fleet = Fleet::start_with(1, &options, 1).await.unwrap();
    let admin = fleet.admin(0).unwrap();
    let node = fleet.start_node("node", Follows::Etcd, &[]).unwrap();
    let (lru, s3fifo) = (publish(&admin, "caching-lru").await, publish(&admin, "caching-s3fifo").await);
    declare(&admin, lru).await;
    decides(&node, lru).await;
    let load = load(&node);
    let store = fleet.store().unwrap();
    let filler = switchyard_store::Transaction {
        preconditions: vec![],
        operations: vec![switchyard_store::Operation::put("/filler", vec![b'x'; 1 << 19])],
    };
    let full = eventually("etcd is full", || async {
        match store.txn(filler.clone()).await {
            Err(error @ switchyard_store::StoreError::Full(_)) => Some(error),
            _ => None,
        }
    })
    .await;
    println!("{full}");
    let document = caching_strategy("pages", &s3fifo.to_string(), None);
    let (status, error) = admin.apply(&document).await.unwrap().refused().unwrap();
    assert_eq!((status.as_u16(), error.code), (507, ErrorCode::StoreFull), "{error}");
    assert!(error.message.contains("full"), "{error}");
    assert_eq!(admin.strategies().await.unwrap().items.len(), 1, "reading goes on");
    let revision = store.snapshot("/filler").await.unwrap().revision;
    store.compact(Revision(revision.0)).await.unwrap();
    fleet.etcd.members[0].defragment().await;
    fleet.etcd.members[0].disarm().await;
    eventually("writes are taken again", || async { admin.apply(&document).await.ok()?.accepted().ok() }).await;
    decides(&node, s3fifo).await;
    let served = load.finish().unwrap();
    assert_eq!((served.errors, served.first_error), (0, None));
}

/// F10: the history of the store is the judge of what was done how often. When the first leader goes on, the loss is noted already,
/// so this does not show that its own note would be refused: that does a test beside the leader's duties.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_does_nothing_twice() {
    let fleet = Fleet::start(1, 2).await.unwrap();
    let store = fleet.store().unwrap();
    let began = store.snapshot(keyspace::NODES).await.unwrap().revision;
    let leads = |other_than: Option<String>| {
        let store = store.clone();
        eventually("somebody leads", move || {
            let (store, other_than) = (store.clone(), other_than.clone());
            async move {
                let entry = store.get(keyspace::LEADER).await.ok()??;
                let record: serde_json::Value = serde_json::from_slice(&entry.value).ok()?;
                let url = record["url"].as_str()?.to_owned();
                (Some(&url) != other_than.as_ref()).then_some(url)
            }
        })
    };
    let first = leads(None).await;
    let number = (0..2).find(|number| fleet.server(*number).unwrap().url() == first).unwrap();
    let node = fleet.start_node("node", Follows::Etcd, &[]).unwrap();
    let id = node.ready().node.clone();
    let record = || async {
        let entry = store.get(&keyspace::node(&id.parse().unwrap())).await.ok()??;
        serde_json::from_slice::<NodeRecord>(&entry.value).ok()
    };
    eventually("the node is known", || async { record().await }).await;
    // The leader is paused with the loss of a node before it, which another leader notes meanwhile.
    fleet.server(number).unwrap().pause().unwrap();
    node.kill().unwrap();
    leads(Some(first)).await;
    eventually("the loss is noted", || async { record().await?.lost_at_unix_ms }).await;
    fleet.server(number).unwrap().resume().unwrap();
    eventually("the first one knows that its time is over", || async {
        fleet
            .server(number)
            .unwrap()
            .log()
            .unwrap()
            .contains("takes its place anew")
            .then_some(())
            .or_else(|| fleet.server(number).unwrap().log().unwrap().contains("does not lead any more").then_some(()))
            .or_else(|| fleet.server(number).unwrap().log().unwrap().contains("there is no lease").then_some(()))
    })
    .await;
    let node = fleet.start_node("node", Follows::Etcd, &[]).unwrap();
    eventually("the return is noted", || async { record().await?.lost_at_unix_ms.is_none().then_some(()) }).await;
    drop(node);
    let now = store.snapshot(keyspace::NODES).await.unwrap().revision;
    let mut updates = store.updates(keyspace::NODES, began).await.unwrap();
    let mut marks = Vec::new();
    while let Some(Ok(update)) = updates.next().await {
        if let Update::Changed { revision, changes } = update {
            for change in changes {
                let record: NodeRecord = serde_json::from_slice(&change.entry.unwrap().value).unwrap();
                marks.push(record.lost_at_unix_ms.is_some());
            }
            if revision >= now {
                break;
            }
        }
    }
    assert_eq!(marks.iter().filter(|lost| **lost).count(), 1, "one loss, noted once: {marks:?}");
}

/// F11 over HTTP: of those that change one object at the version that they read, one succeeds and the others are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_change_one_object_through_two_servers() {
    const CLIENTS: usize = 100;
    let fleet = Fleet::start(1, 2).await.unwrap();
    let admins = [fleet.admin(0).unwrap(), fleet.admin(1).unwrap()];
    let route = switchyard_e2e::simulated::route(9);
    let made = admins[0].request(Method::PUT, "/v1/routes/measured").json(&route).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let admin = admins[number % 2].clone();
            tokio::spawn(async move {
                let mut refused = 0;
                loop {
                    let path = "/v1/routes/measured";
                    let read: serde_json::Value = admin.get(path).await.unwrap().accepted().unwrap();
                    let mut document = read.clone();
                    let count = read["labels"]["count"].as_str().map_or(0, |count| count.parse::<usize>().unwrap());
                    document["labels"] = json!({ "count": (count + 1).to_string() });
                    let answer = admin.request(Method::PUT, path).json(&document).send().await.unwrap();
                    match answer.status().as_u16() {
                        200 => return refused,
                        409 => refused += 1,
                        other => panic!("{other}: {}", answer.text().await.unwrap()),
                    }
                }
            })
        })
        .collect();
    let mut refused = 0;
    for client in clients {
        refused += client.await.unwrap();
    }
    let found: serde_json::Value = admins[1].get("/v1/routes/measured").await.unwrap().accepted().unwrap();
    assert_eq!(found["labels"]["count"], json!(CLIENTS.to_string()), "{refused} were told to read again");
    println!("{CLIENTS} changes, {refused} times told to read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_key_is_refused_and_a_node_follows_no_other_fleet() {
    let fleet = Fleet::start(1, 1).await.unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(paths::switchyard().unwrap());
    command.args(["server", "--listen", "127.0.0.1:0", "--data", stranger.path().to_str().unwrap()]);
    command.args(fleet.etcd.addresses().iter().flat_map(|address| ["--etcd", address]));
    command.env("SWITCHYARD_CONTEXT", stranger.path().join("context.json"));
    let said = switchyard_e2e::cli::run(command).unwrap();
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.stderr.contains("copy the file server-key"), "{said:?}");

    let node = fleet.start_node("node", Follows::Servers, &[]).unwrap();
    node.kill().unwrap();
    // A key that is one: it is that of the other server, which has told it above.
    let other = said.stderr.split_whitespace().find(|word| word.starts_with("ed25519:")).unwrap().to_owned();
    let said = Process::start(&fleet.folder().join("node"), &{
        fleet.node_arguments("node", Follows::Servers, &["--trust", &other]).unwrap()
    });
    let error = format!("{:#}", said.unwrap_err());
    assert!(error.contains("this node trusts the servers with the key"), "{error}");
}
