//! What surrounds every route: the token, unknown paths and methods, time, the OpenAPI document, a real listener.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request, header},
};
use futures_util::stream;
use serde_json::json;
use support::Rig;
use switchyard_server::{ServerConfig, token};
use switchyard_store::{ConfigStore, Operation, Transaction, keyspace};
use switchyard_types::{Generation, NodeStatus};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Every route: what the OpenAPI document must list, no more and no less.
const ROUTES: [(&str, &str); 23] = [
    ("get", "/v1/events"),
    ("get", "/v1/figures"),
    ("post", "/v1/reports"),
    ("get", "/v1/routes"),
    ("post", "/v1/routes"),
    ("get", "/v1/routes/{name}"),
    ("put", "/v1/routes/{name}"),
    ("delete", "/v1/routes/{name}"),
    ("delete", "/v1/strategies/{name}"),
    ("get", "/v1/blobs/{digest}"),
    ("get", "/v1/health"),
    ("get", "/v1/join"),
    ("post", "/v1/epoch"),
    ("get", "/v1/nodes"),
    ("get", "/v1/nodes/{id}"),
    ("get", "/v1/openapi.json"),
    ("get", "/v1/plugins"),
    ("get", "/v1/plugins/{name}/{version}"),
    ("get", "/v1/strategies"),
    ("get", "/v1/strategies/{name}"),
    ("post", "/v1/plugins"),
    ("post", "/v1/strategies"),
    ("put", "/v1/strategies/{name}"),
];

#[tokio::test]
async fn everything_but_health_needs_the_token() {
    let rig = Rig::new().await;
    let ask = async |method: &str, path: &str, authorization: Option<&str>| {
        let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        rig.send(request.body(Body::empty()).unwrap()).await
    };
    for (method, path) in ROUTES.into_iter().filter(|(_, path)| *path != "/v1/health") {
        let answer = ask(method, path, None).await;
        answer.is_error(401, "unauthenticated", "admin token is missing");
        assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    ask("get", "/v1/health", None).await.is(200);
    // A node is told of the token that it can have.
    ask("get", "/v1/join", None).await.is_error(401, "unauthenticated", "the node or admin token is missing");
    let other = format!("Bearer swy_{}", "0".repeat(64));
    for wrong in [other.as_str(), "Bearer ", "Bearer x", &format!("Bearer {}x", rig.token)] {
        ask("get", "/v1/plugins", Some(wrong)).await.is_error(401, "unauthenticated", "not the one of this server");
    }
    ask("get", "/v1/plugins", Some(&rig.token)).await.is_error(401, "unauthenticated", "not of the form");
    ask("get", "/v1/plugins", Some("Basic eDp5")).await.is_error(401, "unauthenticated", "not of the form");
    ask("get", "/v1/plugins", Some(&format!("bearer {}", rig.token))).await.is(200);

    let new = token::rotate(&rig.store, &rig.key, token::StoredRole::Admin).await.unwrap();
    rig.get("/v1/plugins").await.is_error(401, "unauthenticated", "not the one of this server");
    ask("get", "/v1/plugins", Some(&format!("Bearer {}", new.as_str()))).await.is(200);
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_same_shape() {
    let rig = Rig::new().await;
    for path in ["/", "/v1", "/v2/plugins", "/v1/plugins/", "/v1/plugin", "/v1/plugins/a"] {
        rig.get(path).await.is_error(404, "not-found", "there is no path");
    }
    let answer = rig.delete("/v1/plugins").await;
    answer.is_error(405, "method-not-allowed", "/v1/plugins does not take DELETE");
    assert!(answer.headers[header::ALLOW].to_str().unwrap().contains("GET"), "{:?}", answer.headers);
    rig.json(Method::POST, "/v1/health", &json!({})).await.is_error(405, "method-not-allowed", "POST");
    let long = Method::from_bytes("X".repeat(1_000).as_bytes()).unwrap();
    let answer = rig.json(long, &format!("/v1/nodes/{}", "a".repeat(1_000)), &json!({})).await;
    answer.is_error(405, "method-not-allowed", "does not take XXX");
    assert!(answer.body["message"].as_str().unwrap().len() < 300, "{}", answer.body);
}

#[tokio::test]
async fn health_tells_the_version_and_the_revision() {
    let rig = Rig::new().await;
    let health = rig.get("/v1/health").await;
    let revision = health.is(200)["revision"].as_u64().unwrap();
    assert_eq!(health.body, json!({"status": "ok", "version": "0.1.0", "store": "ok", "revision": revision}));
    token::rotate(&rig.store, &rig.key, token::StoredRole::Admin).await.unwrap();
    assert_eq!(rig.get("/v1/health").await.is(200)["revision"], revision + 1);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let bound = Duration::from_millis(50);
    let config = ServerConfig { request_time_max: bound, upload_time_max: bound, ..ServerConfig::default() };
    let rig = Rig::with(config).await;
    for (path, content_type) in [("/v1/strategies", "application/json"), ("/v1/plugins", "application/wasm")] {
        let request = rig.request(Method::POST, path).header(header::CONTENT_TYPE, content_type);
        let silent = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        rig.send(request.body(silent).unwrap()).await.is_error(503, "unavailable", "was not done within 0.05 s");
    }
}

#[tokio::test]
async fn nodes_are_listed_as_they_report() {
    let rig = Rig::new().await;
    let status = node("node-a");
    let put = Operation::put(keyspace::status(&status.node), serde_json::to_vec(&status).unwrap());
    rig.store.txn(Transaction { preconditions: vec![], operations: vec![put] }).await.unwrap();
    let mut expected = serde_json::to_value(&status).unwrap();
    expected["status"] = json!("reporting");
    assert_eq!(rig.get("/v1/nodes").await.is(200)["items"], json!([expected]));
    assert_eq!(rig.get("/v1/nodes/node-a").await.is(200), &expected);
    rig.get("/v1/nodes/node-b").await.is_error(404, "not-found", "no node node-b has reported");
    rig.get("/v1/nodes/..%2f..").await.is_error(400, "invalid-request", "node id");

    let damaged = Operation::put(keyspace::status(&status.node), "{}");
    rig.store.txn(Transaction { preconditions: vec![], operations: vec![damaged] }).await.unwrap();
    rig.get("/v1/nodes/node-a").await.is_error(500, "internal", "its log has the cause");
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let rig = Rig::new().await;
    let answer = rig.get("/v1/openapi.json").await;
    let document = answer.is(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut found = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.insert((method.clone(), path.clone()));
            assert!(operations.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')));
            let guarded = path != "/v1/health";
            for status in ["401", "403"] {
                assert_eq!(operation["responses"].get(status).is_some(), guarded, "{method} {path} {status}");
            }
        }
    }
    assert_eq!(found, ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned())).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_is_answered_while_it_is_sent() {
    let rig = Rig::new().await;
    let (address, stop, serving) = serve(&rig).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = || {
        client
            .post(format!("http://{address}/v1/plugins"))
            .bearer_auth(&rig.token)
            .header("content-type", "application/wasm")
    };
    let announced = post().body(vec![0; 200_000_000]).send().await.unwrap();
    assert_eq!(announced.status().as_u16(), 413);
    assert_eq!(announced.json::<serde_json::Value>().await.unwrap()["code"], "too-large");
    let mut raw = raw_upload(&address, &rig.token).await;
    assert!(first_line(&mut raw).await.starts_with("HTTP/1.1 413"));
    // It never ends, and a server that stops would wait for it.
    drop(raw);

    let health = client.get(format!("http://{address}/v1/health")).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert_eq!(rig.blobs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_on_reads_why_it_was_refused() {
    const BYTES: usize = 60_000_000;
    let rig = Rig::new().await;
    let (address, stop, serving) = serve(&rig).await;
    let check = async |token: &str, content_type: &str, query: &str, expected: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /v1/plugins{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: {content_type}\r\ncontent-length: {BYTES}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // All of it before the first look at the answer, as simple clients do.
        stream.write_all(&vec![0; BYTES]).await.unwrap();
        assert!(first_line(&mut stream).await.starts_with(expected), "{expected}");
    };
    check(&format!("swy_{}", "0".repeat(64)), "application/wasm", "", "HTTP/1.1 401").await;
    check(&rig.token, "text/plain", "", "HTTP/1.1 415").await;
    check(&rig.token, "application/wasm", "?dryrun=true", "HTTP/1.1 400").await;
    stop.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_go_on_is_not_made_to_send() {
    let rig = Rig::new().await;
    let (address, stop, serving) = serve(&rig).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = "POST /v1/plugins HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 60000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(first_line(&mut stream).await.starts_with("HTTP/1.1 401"));
    stop.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_requests_finish() {
    let rig = Rig::new().await;
    let (address, stop, serving) = serve(&rig).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(format!("http://{address}/v1/health")).send().await.unwrap().status().as_u16(), 200);
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert!(client.get(format!("http://{address}/v1/health")).send().await.is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_is_room_for_wait() {
    let rig = Rig::with(ServerConfig { connections_max: 1, ..ServerConfig::default() }).await;
    let (address, stop, serving) = serve(&rig).await;
    let idle = TcpStream::connect(&address).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let waiting = tokio::spawn(client.get(format!("http://{address}/v1/health")).send());
    drop(idle);
    assert_eq!(waiting.await.unwrap().unwrap().status().as_u16(), 200);
    stop.cancel();
    drop(client);
    serving.await.unwrap().unwrap();
}

/// An upload in chunks that never ends: what is over the bound is sent, and then the answer is there.
async fn raw_upload(address: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/plugins HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/wasm\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
    for _ in 0..65 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    tokio::io::BufReader::new(stream).read_line(&mut line).await.unwrap();
    line
}

async fn serve(rig: &Rig) -> (String, CancellationToken, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(rig.server().run(listener, stop.clone()));
    (address, stop, serving)
}

fn node(id: &str) -> NodeStatus {
    NodeStatus {
        node: id.parse().unwrap(),
        labels: [("region".to_owned(), "eu".to_owned())].into(),
        generation: Generation { epoch: 0, counter: 3 },
        not_followed: None,
        listeners: [("resp".to_owned(), "127.0.0.1:6380".to_owned())].into(),
        contracts: vec!["switchyard:caching@0.1.0".to_owned()],
        slots: Vec::new(),
        routes: Vec::new(),
        live_generations: 1,
        live_instances: 2,
        live_bytes: 3,
        figures: [("cache.hits".to_owned(), 1.0)].into(),
        resident_bytes: 4,
        at_unix_ms: 5,
    }
}
