//! Backends that fail, in every way: what the client notices, which should be nothing where another one could answer.
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
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::{
    prelude::{Strategy, any, prop},
    prop_oneof,
    strategy::ValueTree,
    test_runner::TestRunner,
};
use support::{
    Serving,
    backend::{Backend, RawBackend, head},
    named, nobody, route, wait_until, within,
};
use switchyard_gateway::{Gateway, GatewayConfig};
use switchyard_types::route::{Protocol, RetryOn, RouteSpec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

const CLIENTS: usize = 8;

/// Clients that send one request after the other until they are told to stop. Every answer but 200 is a failure.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    async fn start(serving: &Serving) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (stop, answered, mut client) = (stop.clone(), answered.clone(), serving.client().await);
            clients.spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = match number % 2 {
                        0 => "GET /echo HTTP/1.1\r\nhost: t\r\n\r\n".to_owned(),
                        _ => "PUT /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
                    };
                    let answer = client.call(request).await;
                    if answer.status != 200 {
                        failures.push(format!("{} {}", answer.status, answer.text()));
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                failures
            });
        }
        Self { stop, answered, clients }
    }

    /// Waits until so many more requests were answered.
    async fn more(&self, count: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + count;
        wait_until("requests are answered", || self.answered.load(Ordering::Relaxed) >= wanted).await;
    }

    async fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        within(self.clients.join_all()).await.concat()
    }
}

fn impatient(mut spec: RouteSpec) -> RouteSpec {
    (spec.timeouts.response_ms, spec.timeouts.idle_ms) = (500, 500);
    spec
}

fn checked(mut spec: RouteSpec, path: &str) -> RouteSpec {
    spec.health.path = Some(path.to_owned());
    (spec.health.interval_ms, spec.health.timeout_ms) = (20, 1_000);
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_killed_under_load_fails_no_request() {
    for protocol in [Protocol::Http1, Protocol::H2] {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        let mut spec = checked(route(&[("a", a.address), ("b", b.address)]), "/echo");
        spec.protocol = protocol;
        let serving = Serving::start(vec![spec]).await;
        let load = Load::start(&serving).await;
        load.more(500).await;
        let address = b.kill().await;
        load.more(500).await;
        wait_until("it counts as unhealthy", || !serving.backend("b").healthy).await;
        let again = Backend::at("b", address).await;
        wait_until("it counts as healthy", || serving.backend("b").healthy).await;
        let before = again.requests();
        load.more(500).await;
        assert!(again.requests() > before, "it gets requests again");
        assert_eq!(load.failures().await, Vec::<String>::new(), "{protocol:?}");
        assert!(serving.route("all").figures.retries > 0, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_of_routes_under_load_fails_no_request() {
    let (a, b, c) = (Backend::start("a").await, Backend::start("b").await, Backend::start("c").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    let load = Load::start(&serving).await;
    for n in 0..50 {
        load.more(20).await;
        let other = if n % 2 == 0 { ("c", c.address) } else { ("b", b.address) };
        serving.gateway.set_routes(named(vec![route(&[("a", a.address), other])])).unwrap();
    }
    assert_eq!(load.failures().await, Vec::<String>::new());
    let figures = serving.backend("a").figures;
    assert!(figures.connections_opened <= CLIENTS as u64 + 2, "what stays keeps its connections: {figures:?}");
    assert!(c.requests() > 0 && b.requests() > 0);
    assert_eq!(serving.route("all").figures.retries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nobody_listens_is_left_out_after_a_few_tries() {
    let a = Backend::start("a").await;
    let mut spec = route(&[("a", a.address), ("gone", nobody().await)]);
    spec.health.interval_ms = 3_600_000;
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    for _ in 0..20 {
        let answer = client.call("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!((answer.status, answer.header("x-backend")), (200, "a"), "nothing was sent, so POST is tried again");
    }
    let gone = serving.backend("gone");
    assert!(!gone.healthy && gone.figures.connect_errors == 3 && gone.figures.ejections == 1, "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failure_of_all_is_told_in_words() {
    let none = nobody().await;
    let mut alone = route(&[("gone", none)]);
    alone.health.interval_ms = 3_600_000;
    let serving = Serving::start(vec![alone]).await;
    let mut client = serving.client().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = client.get("/").await;
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], answer.status);
        statuses.push((answer.status, problem["detail"].as_str().unwrap().to_owned()));
    }
    let reached = (502, "no backend could be reached".to_owned());
    let healthy = (503, "no backend is healthy".to_owned());
    assert_eq!(statuses, [reached.clone(), reached.clone(), reached, healthy]);
    assert_eq!(serving.route("all").figures.unanswered, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_in_the_pool_are_nobodys_failure() {
    // Every connection answers one request, stays open until the next has come, and closes.
    let backend = RawBackend::start(|mut stream, _| async move {
        if head(&mut stream).await.is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            let _ = head(&mut stream).await;
        }
    })
    .await;
    let mut spec = route(&[("a", backend.address)]);
    spec.health.interval_ms = 3_600_000;
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let figures = serving.backend("a").figures;
    assert_eq!((figures.lost, figures.requests, serving.route("all").figures.retries), (0, 10, 0));
    // A POST may have been carried out: it is not sent again.
    let answer = client.call("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("closed the connection without an answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closed_in_the_pool_is_not_used() {
    let closed = Arc::new(tokio::sync::Notify::new());
    let signal = closed.clone();
    let backend = RawBackend::start(move |mut stream, _| {
        let signal = signal.clone();
        async move {
            if head(&mut stream).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                drop(stream);
                signal.notify_one();
            }
        }
    })
    .await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    for _ in 0..20 {
        let answer = client.call("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(answer.status, 200);
        within(closed.notified()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_backend_that_restarts_between_requests_is_not_noticed() {
    for protocol in [Protocol::Http1, Protocol::H2] {
        let mut backend = Backend::start("a").await;
        let mut spec = route(&[("a", backend.address)]);
        (spec.protocol, spec.health.interval_ms) = (protocol, 3_600_000);
        let serving = Serving::start(vec![spec]).await;
        let mut client = serving.client().await;
        for _ in 0..20 {
            assert_eq!(client.get("/echo").await.status, 200, "{protocol:?}");
            let address = backend.kill().await;
            backend = Backend::at("a", address).await;
        }
        assert_eq!(serving.route("all").figures.retries, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_never_answers_is_given_up() {
    let silent = RawBackend::start(|mut stream, _| async move {
        while head(&mut stream).await.is_some() {}
        pending::<()>().await;
    })
    .await;
    let a = Backend::start("a").await;
    let serving = Serving::start(vec![impatient(route(&[("silent", silent.address)]))]).await;
    let answer = serving.client().await.get("/").await;
    assert_eq!(answer.status, 504);
    assert_eq!(serving.backend("silent").figures.timeouts, 1);
    let mut both = impatient(route(&[("silent", silent.address), ("a", a.address)]));
    both.retry.on = vec![RetryOn::Timeout];
    serving.gateway.set_routes(named(vec![both])).unwrap();
    let mut client = serving.client().await;
    for _ in 0..4 {
        assert_eq!(client.get("/echo").await.status, 200);
    }
    assert!(serving.route("all").figures.retries >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_backend_is_waited_for() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    let mut slow = serving.client().await;
    slow.send("GET /slow/300 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let mut client = serving.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/echo").await.status, 200);
    }
    assert_eq!(slow.answer().await.status, 200);
    let latency = serving.route("all").figures.latency;
    assert!(latency.count == 21 && latency.p999_us >= 300_000, "{latency:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_never_ends_is_cut_off() {
    let endless = RawBackend::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nnot all").await;
    let serving = Serving::start(vec![impatient(route(&[("endless", endless.address)]))]).await;
    let mut client = serving.client().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(client.head().await.header("content-length"), "1000");
    assert_eq!(client.rest().await, b"not all", "the client sees that it is not whole");
    wait_until("nothing is in flight", || serving.backend("endless").figures.in_flight == 0).await;
    assert_eq!(serving.backend("endless").figures.connections_idle, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_may_have_a_bound_of_its_own() {
    let trickle = RawBackend::start(|mut stream, _| async move {
        if head(&mut stream).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await;
    let mut spec = route(&[("trickle", trickle.address)]);
    spec.timeouts.total_ms = Some(150);
    // The timer of a body is set anew only when it runs out.
    spec.timeouts.idle_ms = 50;
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let all = String::from_utf8(client.rest().await).unwrap();
    assert!(all.starts_with("HTTP/1.1 200") && !all.ends_with("0\r\n\r\n"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_a_bad_gateway() {
    for answer in [
        &b"SSH-2.0-OpenSSH\r\n"[..],
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"",
    ] {
        let backend = RawBackend::saying_once(answer).await;
        let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
        let got = serving.client().await.call("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(got.status, 502, "{:?}: {}", answer.escape_ascii().to_string(), got.text());
        assert_eq!(serving.client().await.get("/").await.status, 502);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_seen_to_be_broken() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
    ] {
        let backend = RawBackend::saying_once(answer).await;
        let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
        let mut client = serving.client().await;
        client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
        let said = String::from_utf8(client.rest().await).unwrap();
        // What had not left yet when it broke may be missing; nothing may look whole.
        assert!(!said.ends_with("0\r\n\r\n"), "{said}");
        assert!(!said.contains("content-length: 5\r\n"), "{said}");
    }
}

/// Pieces of answers in any order, and bytes that are none.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![
            &b"HTTP/1.1 200 OK\r\n"[..],
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            b"HTTP/1.0 200\r\n",
            b"content-length: 5\r\n",
            b"content-length: 18446744073709551615\r\n",
            b"transfer-encoding: chunked\r\n",
            b"connection: close\r\n",
            b"trailer: x\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\nx: y\r\n\r\n",
            b"fffffffffffffff\r\n",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_answers_harm_nobody_else() {
    const ANSWERS: usize = 2_000;
    let mut runner = TestRunner::deterministic();
    let noise = noise();
    let answers: Vec<Vec<u8>> = (0..ANSWERS).map(|_| noise.new_tree(&mut runner).unwrap().current()).collect();
    let answers = Arc::new(answers);
    let backend = RawBackend::start(move |mut stream, number| {
        let answers = answers.clone();
        async move {
            if head(&mut stream).await.is_some() {
                let _ = stream.write_all(&answers[number as usize % ANSWERS]).await;
            }
        }
    })
    .await;
    let good = Backend::start("good").await;
    let (mut bad, mut other) = (route(&[("bad", backend.address)]), route(&[("good", good.address)]));
    (bad.path_prefix, bad.health.interval_ms) = ("/bad".to_owned(), 3_600_000);
    other.health.interval_ms = 3_600_000;
    let serving = Serving::start(vec![bad, other]).await;
    let mut client = serving.client().await;
    for _ in 0..ANSWERS / 20 {
        let shouts = (0..20).map(|_| async {
            let mut client = serving.client().await;
            client.send("GET /bad HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await;
            client.rest().await
        });
        futures_util::future::join_all(shouts).await;
        assert_eq!(client.get("/good").await.status, 200);
    }
    wait_until("nothing is in flight", || serving.route("all").figures.in_flight == 0).await;
    let figures = serving.route("all").figures;
    assert_eq!(figures.requests, ANSWERS as u64);
    assert!(figures.statuses[1] > 0 && figures.statuses[4] > 0, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_frames_its_answer_twice_smuggles_nothing() {
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 40\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for answer in
        [both, &*both.replace("content-length: 40\r\n", "").replace("chunked\r\n", "chunked\r\ncontent-length: 1\r\n")]
    {
        let answer: &'static str = answer.to_owned().leak();
        let backend = RawBackend::saying(answer.as_bytes()).await;
        let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
        let mut client = serving.client().await;
        for _ in 0..2 {
            let got = client.get("/").await;
            assert_eq!((got.status, got.text().as_str(), got.header("content-length")), (200, "ok", ""));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_hints_and_surplus_bytes_do_not_shift_answers() {
    let backend = RawBackend::saying(
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbefore",
    )
    .await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    for _ in 0..3 {
        let got = client.get("/").await;
        assert_eq!((got.status, got.text().as_str()), (200, "ok"), "what was not asked for is not the next answer");
    }
    assert_eq!(serving.backend("a").figures.connections_opened, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_5xx_is_tried_elsewhere_where_the_route_says_so() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let mut spec = route(&[("a", a.address), ("b", b.address)]);
    let serving = Serving::start(vec![spec.clone()]).await;
    let mut client = serving.client().await;
    assert_eq!((client.get("/status/503").await.status, a.requests() + b.requests()), (503, 1));
    spec.retry.on.push(RetryOn::ServerError);
    serving.gateway.set_routes(named(vec![spec])).unwrap();
    assert_eq!((client.get("/status/503").await.status, a.requests() + b.requests()), (503, 3));
    assert_eq!((client.get("/status/500").await.status, a.requests() + b.requests()), (500, 4));
    let post = "POST /status/503 HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n";
    assert_eq!((client.call(post).await.status, a.requests() + b.requests()), (503, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_sent_again_while_it_is_small() {
    // It reads more than is kept where there is more, and closes: the request may have been begun.
    let refusing = |length: usize| {
        RawBackend::start(move |mut stream, _| async move {
            let _ = head(&mut stream).await;
            let _ = stream.read_exact(&mut vec![0; length.min(300_000)]).await;
        })
    };
    for (length, expected) in [(5, 200), (60_000, 200), (2_000_000, 502)] {
        let (bad, good) = (refusing(length).await, Backend::start("good").await);
        let serving = Serving::start(vec![route(&[("bad", bad.address), ("good", good.address)])]).await;
        let mut request = format!("PUT /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        request.extend(vec![b'x'; length]);
        let mut client = serving.client().await;
        let _ = client.try_send(&request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, expected, "{length}: {}", answer.text());
        if expected == 200 {
            assert!(answer.text().ends_with(&format!("body {length}\n")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_take_a_backend_out_and_bring_it_back() {
    let sick = Arc::new(AtomicBool::new(false));
    let state = sick.clone();
    let backend = RawBackend::start(move |mut stream, _| {
        let state = state.clone();
        async move {
            while let Some(request) = head(&mut stream).await {
                let bad = state.load(Ordering::Relaxed) && request.starts_with("GET /health ");
                let status = if bad { "500 Bad" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let other = Backend::start("other").await;
    let spec = checked(route(&[("a", backend.address), ("other", other.address)]), "/health");
    let serving = Serving::start(vec![spec]).await;
    wait_until("checks were made", || serving.backend("a").figures.checks >= 2).await;
    assert!(serving.backend("a").healthy);
    sick.store(true, Ordering::Relaxed);
    wait_until("it is out", || !serving.backend("a").healthy).await;
    let mut client = serving.client().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.header("x-backend"), "other");
    }
    sick.store(false, Ordering::Relaxed);
    wait_until("it is back", || serving.backend("a").healthy).await;
    assert!(serving.backend("a").figures.checks_failed >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_backend_ends_what_it_does() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let serving = Serving::start(vec![checked(route(&[("a", a.address)]), "/echo")]).await;
    let mut slow = serving.client().await;
    slow.send("GET /slow/200 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    wait_until("it is in flight", || serving.backend("a").figures.in_flight == 1).await;
    serving.gateway.set_routes(named(vec![route(&[("b", b.address)])])).unwrap();
    assert_eq!(serving.client().await.get("/").await.header("x-backend"), "b");
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("x-backend")), (200, "a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_to_itself_is_refused() {
    let a = Backend::start("a").await;
    let serving = Serving::start(vec![route(&[("a", a.address)])]).await;
    let error = serving.gateway.set_routes(named(vec![route(&[("me", serving.address)])])).unwrap_err().to_string();
    let address = serving.address;
    assert_eq!(error, format!("route all: backend me is {address}, where this gateway itself listens ({address})"));
    assert_eq!(serving.client().await.get("/").await.status, 200, "nothing has changed");
    let gateway = Gateway::new(&support::host(), GatewayConfig::default(), Handle::current());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    gateway.set_routes(named(vec![route(&[("me", listener.local_addr().unwrap())])])).unwrap();
    assert!(switchyard_gateway::GatewayService::new(gateway, listener).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_through_another_ends() {
    let one = Serving::start(Vec::new()).await;
    let other = Serving::start(vec![route(&[("one", one.address)])]).await;
    one.gateway.set_routes(named(vec![route(&[("other", other.address)])])).unwrap();
    let answer = one.client().await.get("/").await;
    assert_eq!(answer.status, 508);
    let requests = one.route("all").figures.requests + other.route("all").figures.requests;
    assert_eq!(requests, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_is_answered_before_the_end() {
    let a = Backend::start("a").await;
    let serving = Serving::start(vec![route(&[("a", a.address)])]).await;
    let mut resting = serving.client().await;
    assert_eq!(resting.get("/").await.status, 200);
    let mut slow = serving.client().await;
    slow.send("GET /slow/200 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    wait_until("it is in flight", || serving.route("all").figures.in_flight == 1).await;
    let address = serving.address;
    let stopped: JoinHandle<()> = tokio::spawn(serving.stopped());
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    assert_eq!(resting.rest().await, b"");
    within(stopped).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody is let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_is_cut_off() {
    let silent = RawBackend::start(|mut stream, _| async move { while head(&mut stream).await.is_some() {} }).await;
    let config = GatewayConfig { drain_ms: 50, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("silent", silent.address)])]).await;
    let mut client = serving.client().await;
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    wait_until("it is in flight", || serving.route("all").figures.in_flight == 1).await;
    let gateway = serving.gateway.clone();
    serving.stopped().await;
    assert_eq!(client.rest().await, b"");
    assert_eq!(gateway.figures().cut, 1);
    assert_eq!(gateway.status()[0].figures.in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_its_own_time_after_the_body() {
    let backend = RawBackend::start(|mut stream, _| async move {
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut stream, &mut sink).await;
    })
    .await;
    let mut spec = route(&[("a", backend.address)]);
    // Longer than the test waits: only the time for answers can end this.
    (spec.timeouts.response_ms, spec.timeouts.idle_ms) = (100, 3_600_000);
    let serving = Serving::start(vec![spec.clone()]).await;
    let post = "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(serving.client().await.call(post).await.status, 504);
    // And a body may take longer than an answer.
    let mut client = serving.client().await;
    client.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\n\r\n").await;
    for piece in ["a", "b", "c"] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        client.send(piece).await;
    }
    assert_eq!(client.answer().await.status, 504);
    assert_eq!(serving.backend("a").figures.timeouts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_backend_gets_no_more() {
    let (a, b) = (RawBackend::start(|stream, _| hold(stream)).await, RawBackend::start(|stream, _| hold(stream)).await);
    let mut spec = route(&[("a", a.address), ("b", b.address)]);
    spec.limits.connections_max = 1;
    spec.retry.attempts = 0;
    let serving = Serving::start(vec![spec]).await;
    let post = "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello";
    let (mut one, mut other) = (serving.client().await, serving.client().await);
    for client in [&mut one, &mut other] {
        client.send(post).await;
    }
    let in_flight = |name: &str| serving.backend(name).figures.in_flight;
    wait_until("both have one", || in_flight("a") == 1 && in_flight("b") == 1).await;
    let answer = serving.client().await.call(post).await;
    assert_eq!((answer.status, answer.text().contains("all the requests they may")), (503, true), "{}", answer.text());
    for name in ["a", "b"] {
        let figures = serving.backend(name).figures;
        assert_eq!((figures.requests, figures.in_flight, figures.full), (1, 1, 1));
        assert!(serving.backend(name).healthy);
    }
    drop(one);
    wait_until("there is room again", || in_flight("a") + in_flight("b") == 1).await;
}

async fn hold(mut stream: tokio::net::TcpStream) {
    while head(&mut stream).await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_without_a_word_is_found() {
    let backend = Backend::start("a").await;
    let target = backend.address;
    // Connections with a lower number carry nothing any more.
    let alive_from = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicU64::new(0));
    let (from, counted) = (alive_from.clone(), ended.clone());
    let between = RawBackend::start(move |mut client, number| {
        let (from, counted) = (from.clone(), counted.clone());
        async move {
            let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
            let dies = async {
                while from.load(Ordering::Relaxed) <= number {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let carried = tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => true,
                () = dies => false,
            };
            counted.fetch_add(1, Ordering::Relaxed);
            if !carried {
                pending::<()>().await;
            }
        }
    })
    .await;
    let mut spec = route(&[("a", between.address)]);
    spec.protocol = Protocol::H2;
    (spec.health.interval_ms, spec.health.timeout_ms) = (50, 500);
    // Longer than the test waits: only the question whether anybody is there can end this.
    (spec.timeouts.response_ms, spec.timeouts.idle_ms) = (3_600_000, 3_600_000);
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    assert_eq!(client.get("/echo").await.status, 200);
    let dead = between.connections();
    alive_from.store(dead, Ordering::Relaxed);
    wait_until("they carry nothing", || ended.load(Ordering::Relaxed) >= dead).await;
    assert_eq!(client.get("/echo").await.status, 200);
    assert_eq!(serving.backend("a").figures.connections_opened, 2);
}
