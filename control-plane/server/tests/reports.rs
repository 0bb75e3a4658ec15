//! What nodes tell: taken once, by the server that leads, whichever is told; shown as events and figures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Rig, Serving, until};
use switchyard_server::{ServerConfig, token};
use switchyard_store::{ConfigStore, Operation, Transaction, keyspace};
use switchyard_sync::sign_record;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const SESSION: &str = "00000000000000aa";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn batch(node: &str, term: u64, items: &[Value]) -> Value {
    json!({"node": node, "session": SESSION, "term": term, "items": items})
}

fn event(sequence: u64, kind: &str, strategy: &str) -> Value {
    json!({"sequence": sequence, "item": "event", "at_unix_ms": sequence, "kind": kind, "strategy": strategy,
           "message": format!("{kind} \u{1b}[31m")})
}

fn window(sequence: u64, calls: u64) -> Value {
    let version = json!({"strategy": "sessions", "generation": {"epoch": 0, "counter": 1}, "digest": DIGEST});
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    json!({"sequence": sequence, "item": "window", "slot": {"kind": "caching"}, "version": version, "hook": "store",
           "start_unix_ms": now_ms - 10_000, "span_ms": 10_000, "calls": calls, "failures": {"trap": 1},
           "latency": [[40, calls]]})
}

fn numbers(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
}

/// Meets the leader and tells it these items.
async fn tell(server: &Serving, node: &str, items: &[Value]) -> u64 {
    let (status, met) = server.post("/v1/reports", &batch(node, 0, &[])).await;
    assert_eq!((status, &met["acknowledged"]), (200, &Value::Null), "{met}");
    let term = met["term"].as_u64().unwrap();
    let (status, answer) = server.post("/v1/reports", &batch(node, term, items)).await;
    assert_eq!((status, &answer["acknowledged"]), (200, &items.last().unwrap()["sequence"]), "{answer}");
    term
}

#[tokio::test]
async fn what_is_told_is_shown_by_node_strategy_and_kind() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let news = json!({"sequence": 4, "item": "verdict", "better": true});
    tell(&server, "node-a", &[event(1, "flipped", "x"), event(2, "refused", "x"), window(3, 30), news]).await;
    tell(&server, "node-b", &[event(1, "flipped", "y"), window(2, 60)]).await;

    let (status, page) = server.get("/v1/events?limit=2").await;
    assert_eq!((status, numbers(&page)), (200, vec![1, 2]));
    assert_eq!((&page["items"][0]["node"], &page["items"][0]["session"]), (&json!("node-a"), &json!(SESSION)));
    let rest = format!("/v1/events?limit=2&after={}", page["continue"].as_str().unwrap());
    let (_, rest) = server.get(&rest).await;
    assert_eq!((numbers(&rest), rest.get("continue")), (vec![1], None));
    for (query, expected) in [
        ("node=node-b", vec![1]),
        ("strategy=x", vec![1, 2]),
        ("kind=flipped", vec![1, 1]),
        ("kind=refused&node=node-b", vec![]),
        ("after=1-0", vec![1, 2, 1]),
    ] {
        assert_eq!(numbers(&server.get(&format!("/v1/events?{query}")).await.1), expected, "{query}");
    }
    for (query, expected) in [
        ("after=x", "after is not"),
        ("kind=flip%20", "no kind \"flip \" of events: expected one of started, "),
        ("limit=0", "limit is 0"),
    ] {
        let (status, answer) = server.get(&format!("/v1/events?{query}")).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(expected), "{query}: {answer}");
    }

    let (_, figures) = server.get("/v1/figures?strategy=sessions").await;
    let store = &figures["items"][0];
    assert_eq!((&store["hook"], &store["version"]["strategy"]), (&json!("store"), &json!("sessions")), "{figures}");
    for span in ["last_1m", "last_10m"] {
        let span = &store[span];
        assert_eq!((&span["nodes"], &span["calls"], &span["failures"]["trap"]), (&json!(2), &json!(90), &json!(2)));
        assert_eq!(span["latency_p99_ns"], 40);
    }
    assert_eq!(server.get("/v1/figures?strategy=none").await.1["items"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_batch_that_makes_no_sense_is_refused() {
    let rig = Rig::new().await;
    let check = async |body: Value, expected: &str| {
        rig.json(Method::POST, "/v1/reports", &body).await.is_error(400, "invalid-request", expected);
    };
    check(json!({"node": "../a", "session": SESSION, "items": []}), "node id").await;
    check(json!({"node": "a", "session": "\u{1b}[31m", "items": []}), "session").await;
    check(json!({"node": "a", "session": SESSION, "items": [{"item": "event"}]}), "no sequence").await;
    let many: Vec<_> = (1..258).map(|n| event(n, "flipped", "x")).collect();
    check(batch("a", 0, &many), "at most 256").await;
}

/// Several servers over one store, of which one leads.
struct Servers {
    rig: Rig,
    servers: Vec<Serving>,
}

impl Servers {
    async fn start(count: usize) -> Self {
        let rig = Rig::new().await;
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(rig.serve_as_one_of_several().await);
        }
        Self { rig, servers }
    }

    /// Which of them leads, once all of them know.
    async fn leader(&self) -> usize {
        for server in &self.servers {
            until("a leader", async || (server.get("/v1/events").await.0 == 200).then_some(())).await;
        }
        let entry = self.rig.store.get(keyspace::LEADER).await.unwrap().unwrap();
        let record: Value = serde_json::from_slice(&entry.value).unwrap();
        self.servers.iter().position(|server| record["url"] == server.url).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_server_passes_on_to_the_one_that_leads() {
    let mut servers = Servers::start(3).await;
    let leader = servers.leader().await;
    let [first, second] = [0, 1, 2].into_iter().filter(|n| *n != leader).collect::<Vec<_>>().try_into().unwrap();
    let all = &servers.servers;
    let term = tell(&all[first], "node-a", &[event(1, "flipped", "x")]).await;
    assert_eq!(tell(&all[second], "node-b", &[window(1, 5)]).await, term);
    for server in all {
        assert_eq!(numbers(&server.get("/v1/events?node=node-a").await.1), [1]);
        assert_eq!(server.get("/v1/figures").await.1["items"][0]["last_1m"]["calls"], 5);
    }
    let (status, answer) = all[first].get("/v1/events?limit=0").await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid-request")), "the leader's own words");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str, token: &str| {
        let request = http.get(format!("{}{path}", all[first].url)).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("/v1/events", &format!("swy_{}", "0".repeat(64))).await, 401);
    let node = token::ensure(&servers.rig.store, &servers.rig.key, token::StoredRole::Node).await.unwrap().unwrap();
    assert_eq!(ask("/v1/events", node.as_str()).await, 403, "nodes tell, and are told nothing");
    let report = http.post(format!("{}/v1/reports", all[first].url)).bearer_auth(node.as_str());
    assert_eq!(report.json(&batch("node-c", term, &[])).send().await.unwrap().status().as_u16(), 200);

    // Another leads: it knows nothing until it is told, and what is told to it counts once.
    servers.servers.remove(leader).stop().await;
    servers.leader().await;
    let [one, two] = servers.servers.as_slice() else { unreachable!() };
    assert_eq!(numbers(&one.get("/v1/events").await.1), [0; 0]);
    let items = [event(1, "flipped", "x"), event(2, "healthy", "x")];
    let (_, met) = two.post("/v1/reports", &batch("node-a", term, &items)).await;
    let next = met["term"].as_u64().unwrap();
    assert!(met["acknowledged"].is_null() && next > term, "{met}");
    for _ in 0..2 {
        let (_, answer) = two.post("/v1/reports", &batch("node-a", next, &items)).await;
        assert_eq!(answer, json!({"acknowledged": 2, "term": next}));
    }
    assert_eq!(numbers(&one.get("/v1/events").await.1), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_leads_or_servers_do_not_agree_nothing_is_sent_round() {
    let rig = Rig::new().await;
    let never_run = rig.server_with(ServerConfig { advertise: Some("http://a".to_owned()), ..ServerConfig::default() });
    let request = rig.request(Method::GET, "/v1/events").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(never_run.router(), request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (503, b"1".as_slice()));

    // A leader that is none of them, and said to be where one of them listens, by somebody who has their key.
    let lead_by = async |url: &str| {
        let record = json!({"id": "server-gone", "url": url, "version": "0.1.0"});
        let signed = sign_record(&rig.key, keyspace::LEADER, &record).unwrap();
        rig.write(&[(keyspace::LEADER.to_owned(), serde_json::from_slice(&signed).unwrap())]).await;
    };
    lead_by("http://127.0.0.1:1").await;
    let [first, second] = [rig.serve_as_one_of_several().await, rig.serve_as_one_of_several().await];
    let answers = async |server: &Serving, expected: &str| {
        until(expected, async || {
            let (status, answer) = server.get("/v1/events").await;
            assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "{answer}");
            answer["message"].as_str().unwrap().contains(expected).then_some(())
        })
        .await;
    };
    answers(&first, "does not answer").await;
    lead_by(&second.url).await;
    answers(&first, "do not agree").await;
    answers(&second, "do not agree").await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_events_goes_on_through_any_server_until_another_leads() {
    let servers = Servers::start(2).await;
    let leads = servers.leader().await;
    let (leader, other) = (&servers.servers[leads], &servers.servers[1 - leads]);
    tell(leader, "node-a", &[event(1, "flipped", "x")]).await;
    let mut lines = other.lines("/v1/events?watch=1&node=node-a").await;
    let line = lines.next().await.unwrap();
    assert_eq!((&line["type"], &line["object"]["sequence"]), (&json!("ADDED"), &json!(1)));
    let bookmark = lines.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    tell(leader, "node-b", &[event(1, "flipped", "x")]).await;
    tell(leader, "node-a", &[event(2, "healthy", "x")]).await;
    assert_eq!(lines.news().await.unwrap()["object"]["sequence"], 2);

    let after = format!("/v1/events?watch=1&after={}", bookmark["object"]["continue"].as_str().unwrap());
    let mut later = leader.lines(&after).await;
    assert_eq!(later.news().await.unwrap()["object"]["node"], "node-b");

    // The office is lost, and its holder goes on running.
    let lost = Transaction { preconditions: vec![], operations: vec![Operation::delete(keyspace::LEADER)] };
    servers.rig.store.txn(lost).await.unwrap();
    let error = lines.news().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!("unavailable")), "{error}");
    assert_eq!(lines.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_watches_at_once() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let mut events = server.lines("/v1/events?watch=1").await;
    let mut nodes = server.lines("/v1/nodes?watch=1").await;
    let stopping = tokio::spawn(server.stop());
    while events.next().await.is_some() {}
    while nodes.next().await.is_some() {}
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_have_a_bound() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let mut open = Vec::new();
    let refused = loop {
        let answer = server.request(Method::GET, "/v1/events?watch=1").send().await.unwrap();
        if answer.status().as_u16() != 200 {
            break answer;
        }
        open.push(answer);
        assert!(open.len() <= 1_000, "there is no bound");
    };
    assert_eq!((refused.status().as_u16(), open.len()), (429, 128));
    drop(open);
    until("a place becomes free", || async { (server.get("/v1/strategies").await.0 == 200).then_some(()) }).await;
    until("a place becomes free", || async {
        let answer = server.request(Method::GET, "/v1/events?watch=1").send().await.unwrap();
        (answer.status().as_u16() == 200).then_some(())
    })
    .await;
    server.stop().await;
}

/// Whoever can write into the store is asked nothing, and sees no token.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_nobody_has_signed_is_not_followed_and_tokens_are_shown_to_nobody() {
    let rig = Rig::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let record = json!({"id": "server-other", "url": url, "version": "0.1.0"});
    rig.write(&[(keyspace::LEADER.to_owned(), record.clone())]).await;
    let server = rig.serve_as_one_of_several().await;
    until("it takes part", async || {
        let range = switchyard_store::Range { prefix: keyspace::SERVERS, after: None, limit: 1 };
        (rig.store.list(range).await.unwrap().entries.len() == 1).then_some(())
    })
    .await;
    for _ in 0..20 {
        let (status, answer) = server.get("/v1/events").await;
        assert_eq!((status, &answer["message"]), (503, &json!("no server leads at the moment; try again in a moment")));
    }

    // What another server is asked says who asks, and does not carry their token.
    let signed = sign_record(&rig.key, keyspace::LEADER, &record).unwrap();
    rig.write(&[(keyspace::LEADER.to_owned(), serde_json::from_slice(&signed).unwrap())]).await;
    let heard = tokio::spawn(async move {
        // The first connection of all: nobody has been here for the forged record.
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    until("it is asked", async || (server.get("/v1/events").await.0 == 200).then_some(())).await;
    let heard = heard.await.unwrap();
    assert!(heard.contains("GET /v1/events") && heard.contains("x-switchyard-asked-by: admin"), "{heard}");
    assert!(heard.contains(&rig.key.peer_token()) && !heard.contains(&rig.token), "{heard}");
    server.stop().await;
}

/// A node's token is no operator's because somebody says so.
#[tokio::test]
async fn only_another_server_is_believed_who_asks() {
    let rig = Rig::new().await;
    let node = token::ensure(&rig.store, &rig.key, token::StoredRole::Node).await.unwrap().unwrap();
    let peer = rig.key.peer_token();
    for (token, asked_by, expected) in [
        (node.as_str(), Some("admin"), 403),
        (&peer, Some("admin"), 200),
        (&peer, Some("node"), 403),
        (&peer, None, 403),
    ] {
        let mut request =
            axum::http::Request::builder().uri("/v1/events").header("authorization", format!("Bearer {token}"));
        if let Some(asked_by) = asked_by {
            request = request.header("x-switchyard-asked-by", asked_by);
        }
        let answer = rig.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), expected, "{asked_by:?}");
    }
}
