//! From a component to a decision on a node, through the API and the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use switchyard_e2e::{
    admin::caching_strategy,
    cli,
    dev::{Dev, STRATEGY},
    resp::{Reply, RespClient},
};

fn text(reply: &str) -> Reply {
    Reply::Status(reply.to_owned())
}

#[tokio::test]
async fn a_strategy_goes_from_a_push_to_decisions() {
    let dev = Dev::start("100", 2).unwrap();
    let (lru, s3fifo) = (dev.publish("caching-lru").await.unwrap(), dev.publish("caching-s3fifo").await.unwrap());
    for plugin in [&lru, &s3fifo, &lru] {
        let slot = dev.activate(plugin).await.unwrap();
        for version in [&slot.received, &slot.staged, &slot.active] {
            assert_eq!(version.as_ref().unwrap().digest, plugin.digest);
            assert_eq!(version.as_ref().unwrap().strategy.as_str(), STRATEGY);
        }
        assert!(slot.flip_ms.is_some() && slot.last_failure.is_none());
    }
    let mut client = RespClient::connect(dev.address()).unwrap();
    for key in 0..500 {
        let key = format!("k{key}");
        assert_eq!(client.call(&[b"SET", key.as_bytes(), b"v"]).unwrap(), text("OK"));
    }
    let Reply::Integer(entries) = client.call(&[b"DBSIZE"]).unwrap() else { panic!("DBSIZE is a number") };
    assert!((90..=100).contains(&entries), "{entries}");
    let calls = client.info("caching_store_calls").unwrap().unwrap();
    assert!(calls.parse::<u64>().unwrap() >= 400, "{calls}");
    let healthy = dev.reported("healthy", |slot, _| slot.last_healthy.as_ref().is_some_and(|v| v.digest == lru.digest));
    healthy.await.unwrap();
    dev.end().unwrap();
}

#[tokio::test]
async fn publishing_the_same_again_changes_nothing_on_the_node() {
    let dev = Dev::start("100", 2).unwrap();
    let lru = dev.publish("caching-lru").await.unwrap();
    let before = dev.activate(&lru).await.unwrap();
    let declared = async || dev.admin().strategies().await.unwrap().items.remove(0);
    // Counted a moment after the node has said so, and no part of what is declared.
    let mut document = declared().await;
    while document.status.as_mut().unwrap().fleet.take().unwrap().active == 0 {
        document = declared().await;
    }
    for _ in 0..3 {
        assert_eq!(dev.publish("caching-lru").await.unwrap().digest, lru.digest);
        let again = dev.admin().apply(&caching_strategy(STRATEGY, &lru.reference, None)).await.unwrap();
        assert_eq!(again.accepted().unwrap(), document);
    }
    // Something that the node does see, so that there is a report from after it.
    let mut other = caching_strategy("elsewhere", &lru.reference, None);
    other["spec"]["selector"] = json!({"region": "nowhere"});
    other["spec"]["priority"] = json!(1);
    let other = dev.admin().apply(&other).await.unwrap().accepted().unwrap();
    let newest = other.status.unwrap().generation;
    let after = dev.reported("the newest generation", |_, node| node.generation >= newest).await.unwrap();
    assert_eq!((after.flips, &after.active, after.flip_ms), (before.flips, &before.active, before.flip_ms));
    let status = dev.status().await.unwrap().unwrap();
    assert_eq!((status.live_generations, status.live_instances), (1, 2));
}

#[tokio::test]
async fn a_deleted_strategy_leaves_the_fallback() {
    let dev = Dev::start("100", 1).unwrap();
    let lru = dev.publish("caching-lru").await.unwrap();
    dev.activate(&lru).await.unwrap();
    assert!(dev.admin().delete(STRATEGY).await.unwrap().is_success());
    dev.reported("the fallback", |slot, node| slot.active.is_none() && node.live_instances == 0).await.unwrap();
    let mut client = RespClient::connect(dev.address()).unwrap();
    assert_eq!(client.call(&[b"SET", b"k", b"v"]).unwrap(), text("OK"));
    assert_eq!(client.call(&[b"GET", b"k"]).unwrap(), Reply::Bulk(Some(b"v".to_vec())));
}

#[tokio::test]
async fn the_command_line_does_the_same() {
    let dev = Dev::start("100", 1).unwrap();
    let plugin = switchyard_e2e::paths::plugin("caching-s3fifo").unwrap();
    let run = |arguments: &[&str]| {
        let said = cli::switchyard(dev.process().context(), &[arguments, &["-o", "json"]].concat()).unwrap();
        serde_json::from_str::<Value>(&said.done().unwrap()).unwrap()
    };
    let pushed = run(&["plugin", "push", plugin.to_str().unwrap()]);
    assert_eq!((&pushed["name"], &pushed["result"]), (&json!("caching-s3fifo"), &json!("published")));
    let manifest = dev.folder().join("strategy.yaml");
    let reference = format!("caching-s3fifo@{}", pushed["version"].as_str().unwrap());
    let yaml = format!(
        "kind: Strategy\nname: pages\nspec:\n  kind: caching\n  plugin: {reference}\n  configuration: {{ small_percent: 20 }}\n"
    );
    std::fs::write(&manifest, yaml).unwrap();
    run(&["apply", "-f", manifest.to_str().unwrap()]);
    let active = |slot: &switchyard_types::SlotStatus, _: &_| {
        slot.active.as_ref().is_some_and(|version| version.strategy.as_str() == "pages")
    };
    dev.reported("pages", active).await.unwrap();
    for what in ["plugins", "strategies", "nodes"] {
        assert!(run(&["get", what]).to_string().contains("caching"), "{what}");
    }
    assert_eq!(run(&["health"])["status"], json!("ok"));
}

#[tokio::test]
async fn the_server_keeps_what_it_was_told_over_a_restart() {
    let dev = Dev::start("100", 1).unwrap();
    let lru = dev.publish("caching-lru").await.unwrap();
    dev.activate(&lru).await.unwrap();
    let healthy = dev.reported("healthy", |slot, _| slot.last_healthy.is_some());
    healthy.await.unwrap();
    let (data, context) = (dev.data(), dev.process().context().to_owned());
    let folder = dev.kill().unwrap();
    let arguments = [
        "dev",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--resp",
        "127.0.0.1:0",
        "--faktory",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
    ];
    let again = switchyard_e2e::process::Process::start(folder.path(), &arguments).unwrap();
    assert!(again.ready().token.is_none(), "the token is shown once");
    let admin = switchyard_e2e::admin::Admin::from_context(&context).unwrap();
    assert_eq!(admin.strategies().await.unwrap().items.len(), 1);
    let mut client = RespClient::connect(again.ready().resp.as_str()).unwrap();
    assert_eq!(client.info("caching_plugin").unwrap(), Some(lru.digest.to_string()));
    let status = admin.request(Method::GET, "/v1/health").send().await.unwrap().status();
    assert_eq!(status, StatusCode::OK);
}
