//! Clients that send what is no request, too much, too slowly or never to an end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::{
    prelude::{Just, Strategy, any, prop},
    prop_oneof,
    strategy::ValueTree,
    test_runner::TestRunner,
};
use support::{
    Serving,
    backend::{Backend, RawBackend, head},
    route, wait_until, within,
};
use switchyard_gateway::GatewayConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn one() -> (Backend, Serving) {
    let backend = Backend::start("a").await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    (backend, serving)
}

/// What comes back before the connection is closed; the backend must hear nothing.
async fn refused(serving: &Serving, backend: &Backend, request: &[u8]) -> String {
    let before = backend.requests();
    let mut client = serving.client().await;
    let _ = client.try_send(request).await;
    let said = String::from_utf8_lossy(&client.rest().await).into_owned();
    assert_eq!(backend.requests(), before, "{:?}", request.escape_ascii().to_string());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_answered_and_closed() {
    let (backend, serving) = one().await;
    let cases: &[(&str, &str)] = &[
        ("400", "GARBAGE\r\n\r\n"),
        ("400", "GET\r\n\r\n"),
        ("400", "GET / HTTP/9.9\r\nhost: t\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost : t\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n host: t\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: t\r\nx\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: t\r\nx: \0\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\nhost: t\r\nx: a\r\n b\r\n\r\n"),
        ("400", "G\0T / HTTP/1.1\r\nhost: t\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: x\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: +1\r\n\r\na"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1, 2\r\n\r\nab"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: gzip\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked, gzip\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\nhost: t\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("400", "POST / HTTP/1.0\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("501", "CONNECT t:80 HTTP/1.1\r\nhost: t\r\n\r\n"),
    ];
    for (status, request) in cases {
        let said = refused(&serving, &backend, request.as_bytes()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {said:?}");
        assert_eq!(said.matches("HTTP/1.").count(), 1, "{request:?}: {said:?}");
    }
    assert_eq!(serving.client().await.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_framing_headers_at_once_are_refused() {
    let (backend, serving) = one().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: t\r\n\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "content-length: 50\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked",
    ] {
        let request = format!("POST /first HTTP/1.1\r\nhost: t\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}");
        let said = refused(&serving, &backend, request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{headers}: {said}");
        assert!(said.contains("connection: close") && said.matches("HTTP/1.1").count() == 1, "{said}");
    }
    // Where a head cannot be told from a body, the body ends as its chunks say and the connection with it.
    let mut client = serving.client().await;
    let chunked = "POST /one HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(client.call(chunked).await.status, 200);
    let request = format!(
        "POST /two HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    client.send(request).await;
    let said = String::from_utf8(client.rest().await).unwrap();
    assert!(said.contains("POST /two") && !said.contains("smuggled") && !said.contains("content-length: 5"), "{said}");
    assert_eq!(backend.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_looks_like_a_head_is_a_body() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    let body = "\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n";
    for _ in 0..3 {
        let length = body.len();
        client.send(format!("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n")).await;
        client.send(body).await;
        assert!(client.answer().await.text().ends_with(&format!("body {length}\n")));
        let request = format!(
            "POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        assert!(client.call(request).await.text().ends_with(&format!("body {length}\n")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_chunks_break_the_request() {
    let (_backend, serving) = one().await;
    for body in ["x\r\nabc\r\n", "3\r\nabcd\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "3\nabc\r\n0\r\n\r\n", "-1\r\n\r\n"]
    {
        let mut client = serving.client().await;
        client.send(format!("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
        let said = String::from_utf8(client.rest().await).unwrap();
        assert!(said.starts_with("HTTP/1.1 400 "), "{body:?}: {said:?}");
    }
    assert_eq!(serving.client().await.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_said_so() {
    let backend = Backend::start("a").await;
    let mut spec = route(&[("a", backend.address)]);
    spec.limits.body_bytes_max = 100_000;
    let serving = Serving::start(vec![spec]).await;
    let long = "x".repeat(200_000);
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (status, request) in [
        ("431", format!("GET / HTTP/1.1\r\nhost: t\r\nx: {long}\r\n\r\n")),
        ("431", format!("GET / HTTP/1.1\r\nhost: t\r\n{many}\r\n")),
        ("431", format!("GET /{long} HTTP/1.1\r\nhost: t\r\n\r\n")),
        ("413", format!("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 100001\r\n\r\n{long}")),
    ] {
        let said = refused(&serving, &backend, request.as_bytes()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {said}");
    }
    let mut client = serving.client().await;
    let chunk = format!("{:x}\r\n{long}\r\n", long.len());
    client.send("POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let _ = client.try_send(chunk.as_bytes()).await;
    assert_eq!(client.head().await.status, 413);
    let within_limit = format!("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 100000\r\n\r\n{}", &long[..100_000]);
    assert_eq!(serving.client().await.call(within_limit).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_end_is_cut_off() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { header_ms: 80, keep_alive_ms: 600_000, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    for beginning in ["G", "GET / HTTP/1.1\r\nhost: t\r\nx: ", "PRI * HT"] {
        let mut client = serving.client().await;
        client.send(beginning).await;
        assert_eq!(client.rest().await, b"", "{beginning:?}");
    }
    let mut client = serving.client().await;
    assert_eq!(client.get("/").await.status, 200);
    client.send("GET / HT").await;
    assert_eq!(client.rest().await, b"", "a later head has no more time");
    assert_eq!(serving.gateway.figures().stuck, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http2_rests_as_long_as_any() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { header_ms: 40, keep_alive_ms: 400, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let said = client.rest().await;
    let goaway = said.windows(9).any(|frame| frame[3] == 7 && frame[4..9] == [0; 5]);
    assert!(goaway, "it is told to go: {said:?}");
    assert_eq!(serving.gateway.figures().stuck, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_rests_is_let_go() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { keep_alive_ms: 80, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let mut silent = serving.client().await;
    let mut client = serving.client().await;
    assert_eq!(client.get("/slow/200").await.status, 200, "a request is no rest");
    assert_eq!(client.rest().await, b"");
    assert_eq!(silent.rest().await, b"");
    wait_until("all are gone", || serving.gateway.figures().connections == 0).await;
    assert_eq!(serving.gateway.figures().stuck, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_coming_is_the_clients_fault() {
    let backend = Backend::start("a").await;
    let mut spec = route(&[("a", backend.address)]);
    (spec.timeouts.response_ms, spec.timeouts.idle_ms) = (80, 80);
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    let answer = client.call("PUT /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nabc").await;
    assert_eq!((answer.status, answer.header("connection")), (408, "close"));
    assert_eq!(client.rest().await, b"");
    assert_eq!(serving.backend("a").figures.timeouts, 0);
    // One that comes slowly is waited for.
    let mut client = serving.client().await;
    client.send("PUT /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\n").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.send("x").await;
    }
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_cut_off() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { write_ms: 100, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    client.send("GET /bytes/100000000 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    wait_until("it is in flight", || serving.route("all").figures.requests == 1).await;
    wait_until("it is cut off", || serving.route("all").figures.in_flight == 0).await;
    assert_eq!(serving.backend("a").figures.in_flight, 0);
    assert!(serving.route("all").figures.answer_bytes < 50_000_000, "nothing is buffered without end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_opens_its_window_is_cut_off() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { write_ms: 100, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let stream = TokioIo::new(TcpStream::connect(serving.address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| Request::get(format!("http://t{path}")).body(Empty::<Bytes>::new()).unwrap();
    // Slow is not stalled.
    assert_eq!(within(sender.send_request(request("/slow/400"))).await.unwrap().status(), 200);
    let answer = within(sender.send_request(request("/bytes/100000000"))).await.unwrap();
    wait_until("it is cut off", || serving.gateway.figures().stalled == 1).await;
    wait_until("nothing is in flight", || serving.route("all").figures.in_flight == 0).await;
    assert!(within(connection).await.unwrap().is_err());
    drop(answer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_takes_its_request_along() {
    let silent = RawBackend::start(|mut stream, _| async move { while head(&mut stream).await.is_some() {} }).await;
    let serving = Serving::start(vec![route(&[("silent", silent.address)])]).await;
    let mut client = serving.client().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    wait_until("it is in flight", || serving.backend("silent").figures.in_flight == 1).await;
    drop(client);
    wait_until("it is over", || serving.backend("silent").figures.in_flight == 0).await;
    assert_eq!(serving.route("all").figures.in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_clients_are_turned_away() {
    let backend = Backend::start("a").await;
    let config = GatewayConfig { connections_max: 2, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let (mut first, mut second) = (serving.client().await, serving.client().await);
    assert_eq!((first.get("/").await.status, second.get("/").await.status), (200, 200));
    let mut third = serving.client().await;
    assert_eq!(third.head().await.status, 503);
    assert_eq!(first.get("/").await.status, 200);
    drop(second);
    wait_until("there is room", || serving.gateway.figures().connections == 1).await;
    assert_eq!(serving.client().await.get("/").await.status, 200);
    assert_eq!(serving.gateway.figures().refused, 1);
}

/// Pieces that make more trouble than random bytes alone.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![
            &b"GET / HTTP/1.1\r\n"[..],
            b"POST /x HTTP/1.1\r\nhost: t\r\n",
            b"host: t\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"content-length: 3\r\n",
            b"content-length: 18446744073709551615\r\n",
            b"transfer-encoding: chunked\r\n",
            b"connection: upgrade\r\nupgrade: websocket\r\n",
            b"connection: close\r\n",
            b"expect: 100-continue\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
            b"\x00\x00\x05\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41\x00",
            b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",
        ])
        .prop_map(<[u8]>::to_vec),
        Just(b"GET /echo HTTP/1.1\r\nhost: t\r\n\r\n".to_vec()),
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

/// Sends bytes, ends the sending half, and reads whatever comes until the end.
async fn shout(address: std::net::SocketAddr, bytes: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may close before it has read everything.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_random_strings_do_no_harm() {
    const STRINGS: usize = 10_000;
    const AT_ONCE: usize = 50;
    static PANICS: AtomicU64 = AtomicU64::new(0);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        report(panic);
    }));
    let (_backend, serving) = one().await;
    let mut runner = TestRunner::deterministic();
    let noise = noise();
    for _ in 0..STRINGS / AT_ONCE {
        let strings: Vec<Vec<u8>> =
            (0..AT_ONCE).map(|_| noise.new_tree(&mut runner).expect("a string").current()).collect();
        let shouts = strings.iter().map(|bytes| shout(serving.address, bytes.clone()));
        let all = tokio::time::timeout(support::PATIENCE, futures_util::future::join_all(shouts)).await;
        assert!(all.is_ok(), "one of these was never answered or closed: {strings:?}");
    }
    assert_eq!(serving.client().await.get("/echo").await.status, 200);
    wait_until("nothing is in flight", || serving.route("all").figures.in_flight == 0).await;
    assert_eq!(serving.gateway.figures().accepted, STRINGS as u64 + 1);
    within(serving.stopped()).await;
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
