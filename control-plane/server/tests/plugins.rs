//! The way of a plugin: what is published, what is refused and at which stage, and that nothing is left half done.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use axum::{
    body::{Body, Bytes},
    http::{Method, header},
};
use futures_util::stream;
use serde_json::json;
use support::{PluginText, Rig, built};
use switchyard_server::ServerConfig;
use switchyard_store::{ConfigStore, Operation, Transaction, keyspace};
use switchyard_types::Digest;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_published_once() {
    let rig = Rig::new().await;
    let component = PluginText::default().component();
    let digest = Digest::of(&component).to_string();

    let dry = rig.upload("/v1/plugins?dryRun=true", component.clone()).await;
    assert_eq!(dry.is(200)["digest"], digest);
    assert_eq!((rig.state().await.len(), rig.blobs()), (0, 0), "a dry run publishes nothing");

    let new = rig.upload("/v1/plugins", component.clone()).await;
    assert_eq!((&new.is(201)["name"], &new.body["digest"]), (&json!("plain"), &json!(digest)));
    assert_eq!((rig.state().await.len(), rig.blobs()), (1, 1));
    let before = rig.state().await;
    let again = rig.upload("/v1/plugins", component.clone()).await;
    assert_eq!(again.is(200), &new.body);
    assert_eq!(rig.state().await, before);

    assert_eq!(rig.get("/v1/plugins/plain/0.1.0").await.is(200), &new.body);
    assert_eq!(rig.get("/v1/plugins").await.is(200)["items"], json!([new.body]));
    let blob = rig.get(&format!("/v1/blobs/{digest}")).await;
    blob.is(200);
    assert_eq!(blob.headers[header::CONTENT_LENGTH], component.len().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes() {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    let before = rig.state().await;
    let other = PluginText { default: r#"{"entries":11}"#, ..PluginText::default() };
    for path in ["/v1/plugins", "/v1/plugins?dryRun=true"] {
        let refused = rig.upload(path, other.component()).await;
        refused.is_error(409, "conflict", "plain@0.1.0 is published with other bytes");
        assert_eq!(refused.body["details"].as_array().unwrap().len(), 2);
    }
    assert_eq!((rig.state().await, rig.blobs()), (before, 1));
    rig.publish(&PluginText { version: "0.2.0", ..other }).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_bound_on_plugins() {
    // More than are counted at once.
    const PLUGINS: u64 = 101;
    let rig = Rig::with(ServerConfig { plugins_max: PLUGINS as usize, ..ServerConfig::default() }).await;
    let published = rig.publish(&PluginText::default()).await;
    let mut manifest = published.is(201).clone();
    for patch in 1..PLUGINS {
        manifest["version"] = json!(format!("0.1.{patch}"));
        let key = keyspace::plugin(&"plain".parse().unwrap(), &semver::Version::new(0, 1, patch));
        let put = Operation::put(key, manifest.to_string());
        rig.store.txn(Transaction { preconditions: vec![], operations: vec![put] }).await.unwrap();
    }
    let (before, blobs) = (rig.state().await, rig.blobs());
    let other = PluginText { version: "0.2.0", ..PluginText::default() };
    for path in ["/v1/plugins", "/v1/plugins?dryRun=true"] {
        rig.upload(path, other.component()).await.is_error(409, "conflict", "at most 101 are taken");
    }
    assert_eq!((rig.state().await, rig.blobs()), (before, blobs), "nothing is half published");
    rig.publish(&PluginText::default()).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_that_publish_one_version_wins() {
    let rig = std::sync::Arc::new(Rig::new().await);
    let tasks: Vec<_> = [r#"{"entries":1}"#, r#"{"entries":2}"#, r#"{"entries":3}"#]
        .map(|default| {
            let rig = rig.clone();
            tokio::spawn(async move { rig.publish(&PluginText { default, ..PluginText::default() }).await.status })
        })
        .into();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_refused_at_its_stage() {
    let rig = Rig::new().await;
    let plain = PluginText::default;
    for (bytes, expected) in [
        (b"GIF89a".to_vec(), "is not WebAssembly"),
        (Vec::new(), "is not WebAssembly"),
        (wat("(module)"), "core WebAssembly module"),
    ] {
        rig.upload("/v1/plugins", bytes).await.is_refused("upload", expected);
    }
    let half = plain().component();
    rig.upload("/v1/plugins", half[..half.len() / 2].to_vec()).await.is_refused("compile", "");
    rig.upload("/v1/plugins", wat("(component)")).await.is_refused("link", "does not export");
    let socket = wat(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "x" (func)))))"#);
    rig.upload("/v1/plugins", socket).await.is_refused("link", "wasi:sockets/tcp@0.2.0");
    let older = wat(r#"(component (import "switchyard:lifecycle/host@0.0.9" (instance (export "log" (func)))))"#);
    rig.upload("/v1/plugins", older).await.is_refused("link", "rebuild the plugin");

    let cases = [
        (PluginText { name: "Not A Name", ..plain() }, "describe", ""),
        (PluginText { behaviour: "loop-describe", ..plain() }, "describe", "CPU budget"),
        (PluginText { schema: r#"{"type":"whole"}"#, ..plain() }, "schema", "schema.type"),
        (PluginText { schema: r##"{"$ref":"https://example.org/x"}"##, ..plain() }, "schema", "is not in the schema"),
        (PluginText { schema: r##"{"anyOf":[{"$ref":"#"}]}"##, ..plain() }, "schema", "refers to itself"),
        (PluginText { default: r#"{"entries":0}"#, ..plain() }, "schema", "configuration.entries: 0 is less than"),
        (PluginText { behaviour: "loop-configure", ..plain() }, "configure", "CPU budget"),
        (PluginText { behaviour: "trap-every-call", ..plain() }, "self-test", "trapped"),
    ];
    for (plugin, stage, expected) in cases {
        rig.publish(&plugin).await.is_refused(stage, expected);
    }
    assert_eq!((rig.state().await.len(), rig.blobs()), (0, 0), "nothing is half published");
    rig.publish(&plain()).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_keeps_its_bound_and_type() {
    let rig = Rig::with(ServerConfig { upload_bytes_max: 100_000, ..ServerConfig::default() }).await;
    rig.upload("/v1/plugins", vec![0; 100_001]).await.is_error(413, "too-large", "the upload is over 97.7 KiB");
    let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4_096]))));
    rig.upload("/v1/plugins", endless).await.is_error(413, "too-large", "make the plugin smaller");
    let broken = stream::iter([Ok(Bytes::from_static(b"\0asm")), Err(std::io::Error::other("reset"))]);
    rig.upload("/v1/plugins", Body::from_stream(broken)).await.is_error(400, "invalid-request", "broke off");

    for content_type in ["application/json", "application/wasm-not", ""] {
        let request = rig.request(Method::POST, "/v1/plugins").header(header::CONTENT_TYPE, content_type);
        let answer = rig.send(request.body(Body::from("x")).unwrap()).await;
        answer.is_error(415, "unsupported-media-type", "expected application/wasm");
    }
    rig.upload("/v1/plugins?dryrun=true", vec![0]).await.is_error(400, "invalid-request", "dryrun");
    rig.upload("/v1/plugins?dryRun=maybe", vec![0]).await.is_error(400, "invalid-request", "dryRun");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let rig = Rig::new().await;
    rig.get("/v1/plugins/plain/0.1.0").await.is_error(404, "not-found", "plain@0.1.0 is not published");
    rig.get("/v1/plugins/Plain/0.1.0").await.is_error(400, "invalid-request", "plugin name");
    rig.get("/v1/plugins/plain/latest").await.is_error(400, "invalid-request", "path");
    rig.get(&format!("/v1/blobs/{}", Digest::of(b"x"))).await.is_error(404, "not-found", "there is no blob");
    rig.get("/v1/blobs/..%2Fstore.redb").await.is_error(400, "invalid-request", "is not a digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_blob_is_mended_by_publishing_again() {
    let rig = Rig::new().await;
    let component = PluginText::default().component();
    let digest = Digest::of(&component);
    rig.upload("/v1/plugins", component.clone()).await.is(201);
    std::fs::write(rig.folder.path().join("blobs").join(digest.hex()), "damaged").unwrap();
    rig.get(&format!("/v1/blobs/{digest}")).await.is_error(500, "internal", "log");
    rig.upload("/v1/plugins", component).await.is(200);
    rig.get(&format!("/v1/blobs/{digest}")).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_that_are_stable() {
    let rig = Rig::new().await;
    for name in ["alpha", "bravo", "charlie", "delta", "echo"] {
        rig.publish(&PluginText { name, ..PluginText::default() }).await.is(201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/plugins?limit=2".to_owned();
    for round in 0..3 {
        let page = rig.get(&path).await;
        let items = page.is(200)["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(token) = page.body["continue"].as_str() else {
            assert_eq!(round, 2);
            break;
        };
        path = format!("/v1/plugins?limit=2&continue={token}");
        // Before and behind the reader.
        let name = ["aaa", "foxtrot"][round % 2];
        rig.publish(&PluginText { name, ..PluginText::default() }).await.is(201);
    }
    assert_eq!(seen, ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]);
    for (query, expected) in [
        ("limit=0", "expected 1 to 500"),
        ("limit=501", "expected 1 to 500"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("continue=zz", "continue"),
        ("continue=", "continue"),
        ("after=x", "after"),
    ] {
        rig.get(&format!("/v1/plugins?{query}")).await.is_error(400, "invalid-request", expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_of_this_repository_are_accepted() {
    let rig = Rig::new().await;
    for name in ["caching-lru", "caching-s3fifo"] {
        let published = rig.upload("/v1/plugins", built(name)).await;
        assert_eq!(published.is(201)["name"], name);
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
