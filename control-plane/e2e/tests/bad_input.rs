//! What must be refused, each with its own status, code, stage and sentence; and nothing of it stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use switchyard_e2e::{
    admin::{Answer, caching_strategy, send},
    cli,
    dev::{Dev, Published},
    fixtures,
    resp::{Reply, RespClient},
};
use switchyard_types::{ErrorCode, PluginManifest, Stage, StrategyDocument};

/// Of the right form.
const WRONG_TOKEN: &str = "swy_0000000000000000000000000000000000000000000000000000000000000000";

/// A dev with LRU active, and what it holds: nothing of that may change.
struct Rig {
    dev: Dev,
    lru: Published,
}

impl Rig {
    async fn start() -> Self {
        let dev = Dev::start("100", 1).unwrap();
        let lru = dev.publish("caching-lru").await.unwrap();
        dev.activate(&lru).await.unwrap();
        Self { dev, lru }
    }

    async fn is_unchanged(&self) {
        let plugins: Vec<_> = self.dev.admin().plugins().await.unwrap().items;
        assert_eq!(plugins.iter().map(|plugin| plugin.digest).collect::<Vec<_>>(), [self.lru.digest]);
        assert_eq!(self.dev.admin().strategies().await.unwrap().items.len(), 1);
        let status = self.dev.active(&self.lru).await.unwrap();
        assert_eq!((status.flips, status.last_failure), (1, None));
        let mut client = RespClient::connect(self.dev.address()).unwrap();
        assert_eq!(client.call(&[b"PING"]).unwrap(), Reply::Status("PONG".to_owned()));
    }
}

fn refused<T>(what: &str, answer: Answer<T>, status: u16, code: ErrorCode, stage: Option<Stage>, says: &str) {
    let (found, error) = answer.refused().expect(what);
    assert_eq!((found.as_u16(), error.code, error.stage), (status, code, stage), "{what}: {error}");
    let text = format!("{} {}", error.message, error.details.join(" "));
    assert!(text.contains(says), "{what}: {text}");
    assert!(!error.message.contains('\n') && error.message.len() < 500, "{what}: one sentence: {}", error.message);
}

#[tokio::test]
async fn plugins_that_cannot_run() {
    let rig = Rig::start().await;
    let broken = |bytes: &[u8]| bytes.to_vec();
    let cases = [
        ("not wasm", broken(b"#!/bin/sh\n"), Stage::Upload, "WebAssembly"),
        ("empty", broken(b""), Stage::Upload, ""),
        ("a core module", fixtures::core_module().unwrap(), Stage::Upload, "component"),
        ("a loop", fixtures::loops_in_configure("bad-loop").unwrap(), Stage::Configure, "CPU"),
        ("a socket", fixtures::imports_a_socket("bad-socket").unwrap(), Stage::Link, "wasi:sockets/tcp"),
        ("its own schema", fixtures::breaks_its_schema("bad-schema").unwrap(), Stage::Schema, "configuration"),
        ("a newer contract", fixtures::of_another_contract("bad-new", "0.9.0").unwrap(), Stage::Link, "0.9.0"),
        ("an older contract", fixtures::of_another_contract("bad-old", "0.0.9").unwrap(), Stage::Link, "0.0.9"),
    ];
    for (what, component, stage, says) in cases {
        let answer = rig.dev.admin().push(component.clone()).await.unwrap();
        refused(what, answer, 422, ErrorCode::Refused, Some(stage), says);
        let file = rig.dev.folder().join("bad.wasm");
        std::fs::write(&file, component).unwrap();
        let said = cli::switchyard(rig.dev.process().context(), &["plugin", "push", file.to_str().unwrap()]).unwrap();
        assert_eq!(said.status, Some(1), "{what}");
        assert!(said.stderr.contains("bad.wasm") && said.stderr.contains(stage.as_str()), "{what}: {}", said.stderr);
    }
    rig.is_unchanged().await;
}

#[tokio::test]
async fn a_harmless_fixture_is_accepted() {
    let rig = Rig::start().await;
    let answer = rig.dev.admin().push(fixtures::harmless("fixture").unwrap()).await.unwrap();
    assert_eq!(answer.accepted().unwrap().name.as_str(), "fixture");
}

#[tokio::test]
async fn an_upload_of_200_mb_is_too_large() {
    let rig = Rig::start().await;
    let request = rig.dev.admin().request(Method::POST, "/v1/plugins").header("content-type", "application/wasm");
    // The server answers before it has read all of it, and goes on reading: whoever still writes gets the answer too.
    let answer = send::<PluginManifest>(request.body(vec![0; 200_000_000])).await.unwrap();
    refused("200 MB", answer, 413, ErrorCode::TooLarge, None, "the upload is over 64.0 MiB");
    rig.is_unchanged().await;
}

#[tokio::test]
async fn strategies_that_cannot_be_declared() {
    let rig = Rig::start().await;
    let with = |pointer: &str, value: Value| {
        let mut document = caching_strategy("other", &rig.lru.reference, None);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        document
    };
    let (invalid, refusal) = (ErrorCode::InvalidRequest, ErrorCode::Refused);
    let cases = [
        (
            "a broken configuration",
            with("/spec/configuration", json!({"no": 1})),
            422,
            refusal,
            Some(Stage::Schema),
            "no",
        ),
        ("no configuration", with("/spec/configuration", json!([])), 422, refusal, Some(Stage::Schema), "object"),
        ("an unknown key", with("/spec/prioritee", json!(1)), 400, invalid, None, "prioritee"),
        ("an unknown kind", with("/spec/kind", json!("cooking")), 400, invalid, None, "cooking"),
        ("no reference", with("/spec/plugin", json!("caching-lru")), 400, invalid, None, "name@version"),
    ];
    for (what, document, status, code, stage, says) in cases {
        refused(what, rig.dev.admin().apply(&document).await.unwrap(), status, code, stage, says);
    }
    let same_slot = rig.dev.admin().apply(&caching_strategy("other", &rig.lru.reference, None)).await.unwrap();
    refused("the same slot", same_slot, 409, ErrorCode::Conflict, None, "demo");
    let unknown = rig.dev.admin().apply(&with("/spec/plugin", json!("nobody@1.0.0"))).await.unwrap();
    refused("an unpublished plugin", unknown, 404, ErrorCode::NotFound, None, "nobody@1.0.0 is not published");
    rig.is_unchanged().await;
}

#[tokio::test]
async fn what_is_stale_unknown_or_not_allowed() {
    let rig = Rig::start().await;
    let admin = rig.dev.admin();
    let unknown = admin.get::<StrategyDocument>("/v1/strategies/nobody").await.unwrap();
    refused("an unknown strategy", unknown, 404, ErrorCode::NotFound, None, "nobody");
    let mut stale = caching_strategy("demo", &rig.lru.reference, None);
    stale["resourceVersion"] = json!(999_999);
    stale["spec"]["priority"] = json!(3);
    refused("a stale version", admin.apply(&stale).await.unwrap(), 409, ErrorCode::Conflict, None, "");
    for (token, says) in [("", "Bearer swy_"), ("wrong", "token"), (WRONG_TOKEN, "token")] {
        let answer = admin.with_token(token).get::<Value>("/v1/strategies").await.unwrap();
        refused("a wrong token", answer, 401, ErrorCode::Unauthenticated, None, says);
    }
    let answer = admin.get::<Value>("/v2/strategies").await.unwrap();
    refused("an unknown path", answer, 404, ErrorCode::NotFound, None, "");
    let answer = send::<Value>(admin.request(Method::PATCH, "/v1/plugins")).await.unwrap();
    refused("a wrong method", answer, 405, ErrorCode::MethodNotAllowed, None, "");
    let context = rig.dev.process().context();
    let said = cli::switchyard(context, &["get", "strategies", "--token", "wrong"]).unwrap();
    assert!(said.status == Some(1) && said.stderr.contains("--token"), "{}", said.stderr);
    let said = cli::switchyard(context, &["delete", "strategy", "nobody"]).unwrap();
    assert!(said.status == Some(1) && said.stderr.contains("nobody"), "{}", said.stderr);
    rig.is_unchanged().await;
}

#[tokio::test]
async fn malformed_resp_is_answered_as_redis_does() {
    let rig = Rig::start().await;
    let cases: [(&[u8], &str); 5] = [
        (b"*1\r\n$9223372036854775808\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*9223372036854775808\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\nGET\r\n", "-ERR Protocol error: expected '$', got 'G'\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET \"k\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ];
    for (bytes, expected) in cases {
        let answer = RespClient::connect(rig.dev.address()).unwrap().raw(bytes).unwrap();
        assert_eq!(answer, expected, "{}", String::from_utf8_lossy(bytes));
    }
    rig.is_unchanged().await;
}

#[tokio::test]
async fn a_token_is_asked_for_everywhere_but_at_health() {
    let rig = Rig::start().await;
    let anonymous = rig.dev.admin().with_token("");
    for (path, status) in [
        ("/v1/health", StatusCode::OK),
        ("/v1/plugins", StatusCode::UNAUTHORIZED),
        ("/v1/nodes", StatusCode::UNAUTHORIZED),
        ("/v1/strategies/demo", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(anonymous.request(Method::GET, path).send().await.unwrap().status(), status, "{path}");
    }
}
