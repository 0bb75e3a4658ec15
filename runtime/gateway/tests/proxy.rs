//! Requests that go well: what a backend gets, and what a client gets back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::process::Command;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{
    Serving,
    backend::{Backend, RawBackend, head},
    route, wait_until, within,
};
use switchyard_gateway::GatewayConfig;
use switchyard_types::route::{Protocol, RouteSpec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn one() -> (Backend, Serving) {
    let backend = Backend::start("a").await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    (backend, serving)
}

fn h2(mut spec: RouteSpec) -> RouteSpec {
    spec.protocol = Protocol::H2;
    spec
}

async fn h2_client<B>(serving: &Serving) -> http2::SendRequest<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TokioIo::new(TcpStream::connect(serving.address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_backends_answer_in_turn() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    let mut client = serving.client().await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let answer = client.get("/echo").await;
        assert_eq!(answer.status, 200);
        seen.push(answer.header("x-backend").to_owned());
    }
    assert_eq!(seen, ["a", "b", "a", "b", "a", "b"]);
    for name in ["a", "b"] {
        let figures = serving.backend(name).figures;
        assert_eq!((figures.requests, figures.connections_opened), (3, 1), "connections are used again");
        assert_eq!(figures.statuses, [0, 3, 0, 0, 0]);
    }
    serving.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_gets_the_request_and_who_asked() {
    let (_backend, serving) = one().await;
    let request = "GET /a/b?c=d HTTP/1.1\r\nHost: Shop.test:80\r\nX-Mine: 1\r\nConnection: keep-alive, x-hop\r\n\
        x-hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nx-forwarded-for: 1.2.3.4\r\n\r\n";
    let answer = serving.client().await.call(request).await;
    let expected = "GET /a/b?c=d HTTP/1.1\nhost: Shop.test:80\nx-mine: 1\nvia: 1.1 switchyard\n\
        forwarded: for=127.0.0.1;proto=http\nx-forwarded-for: 1.2.3.4, 127.0.0.1\nx-forwarded-host: Shop.test:80\n\
        x-forwarded-proto: http\nte: trailers\nconnection: te\nbody 0\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&answer.text()), sorted(expected));
    assert_eq!(answer.header("via"), "1.1 switchyard");
    assert!(answer.headers.contains_key("date"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_a_backends_connection_ends_here() {
    let backend = RawBackend::saying_once(
        b"HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        for name in ["connection", "x-hop", "keep-alive"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
    assert_eq!(serving.backend("a").figures.connections_idle, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_with_a_host_is_read_by_its_host() {
    let (_backend, serving) = one().await;
    let request = "GET http://in.target/x?y HTTP/1.1\r\nhost: in.header\r\n\r\n";
    let text = serving.client().await.call(request).await.text();
    assert!(text.starts_with("GET /x?y HTTP/1.1\n") && text.contains("\nhost: in.target\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_pass_by_either_framing() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    for length in [0, 1, 1_000, 300_000] {
        let mut request = format!("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        request.extend(vec![b'x'; length]);
        let text = client.call(&request).await.text();
        assert!(text.contains(&format!("content-length: {length}\n")), "{text}");
        assert!(text.ends_with(&format!("body {length}\n")), "{text}");
    }
    wait_until("all bytes are counted", || serving.route("all").figures.request_bytes == 301_001).await;
    let request = "POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
        3\r\nabc\r\n5\r\n12345\r\n0\r\nx-sum: 8\r\n\r\n";
    let text = client.call(request).await.text();
    assert!(text.contains("transfer-encoding: chunked\n") && !text.contains("content-length"), "{text}");
    assert!(text.ends_with("body 8\ntrailer x-sum: 8\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_answers_stream_and_trailers_follow() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    let answer = client.get("/bytes/5000000").await;
    assert_eq!(answer.body.len(), 5_000_000);
    assert!(answer.body.iter().enumerate().all(|(at, byte)| *byte == ((at as u64) % 251) as u8));
    let answer = client.call("GET /trailers HTTP/1.1\r\nhost: t\r\nTE: trailers\r\n\r\n").await;
    assert_eq!((answer.text().as_str(), answer.header("trailer x-sum")), ("before", "42"));
    let answer = client.get("/trailers").await;
    assert_eq!((answer.text().as_str(), answer.header("trailer x-sum")), ("before", ""), "nobody asked for them");
    wait_until("nothing is in flight", || serving.route("all").figures.in_flight == 0).await;
    assert_eq!(serving.backend("a").figures.connections_opened, 1);
    assert_eq!(serving.route("all").figures.answer_bytes, 5_000_012);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_a_body_keep_the_connection() {
    let raw = RawBackend::start(|mut stream, _| async move {
        while let Some(request) = head(&mut stream).await {
            let answer = match request.split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let serving = Serving::start(vec![route(&[("a", raw.address)])]).await;
    let mut client = serving.client().await;
    for (request, status, length) in [("HEAD /", 200, "7"), ("GET /204", 204, ""), ("GET /304", 304, "")] {
        client.send(format!("{request} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        let answer = client.head().await;
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{request}");
    }
    assert_eq!(serving.backend("a").figures.connections_opened, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_to_continue_when_the_body_is_wanted() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    client.send("PUT /echo HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    let text = client.answer().await.text();
    assert!(text.ends_with("body 4\n") && !text.contains("expect"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_client_gets_an_answer_that_ends_with_the_connection() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    client.send("GET /bytes/20000 HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
    assert!(answer.starts_with("HTTP/1.0 200") && !answer.contains("chunked"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(body.len() >= 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    let requests: String = (0..50).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: t\r\n\r\n")).collect();
    client.send(requests).await;
    for n in 0..50 {
        assert!(client.answer().await.text().starts_with(&format!("GET /{n} ")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_clients_share_a_connection() {
    let (backend, serving) = one().await;
    let sender = h2_client(&serving).await;
    let requests = (0..100).map(|n| {
        let mut sender = sender.clone();
        async move {
            let body = Full::new(Bytes::from(vec![b'x'; n]));
            let request = Request::post(format!("http://shop.test/{n}?q")).body(body).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
            let text = String::from_utf8(answer.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            assert!(text.starts_with(&format!("POST /{n}?q HTTP/1.1\n")), "{text}");
            assert!(text.contains("host: shop.test\n") && text.contains("via: 2 switchyard\n"), "{text}");
            assert!(text.ends_with(&format!("body {n}\n")), "{text}");
        }
    });
    within(futures_util::future::join_all(requests)).await;
    assert_eq!(backend.requests(), 100);
    drop(sender);
    serving.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_goes_all_the_way() {
    let backend = Backend::start("a").await;
    let serving = Serving::start(vec![h2(route(&[("a", backend.address)]))]).await;
    let mut sender = h2_client(&serving).await;
    let request = Request::get("http://shop.test/trailers").header("te", "trailers").body(Empty::<Bytes>::new());
    let answer = within(sender.send_request(request.unwrap())).await.unwrap().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-sum"], "42");
    assert_eq!(answer.to_bytes(), "before");
    let text = serving.client().await.get("/from-one").await.text();
    assert!(text.starts_with("GET http://test/from-one HTTP/2.0\n"), "{text}");
    let figures = serving.backend("a").figures;
    assert_eq!((figures.requests, figures.connections_opened), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_trailers_of_a_request_reach_the_backend() {
    let backend = Backend::start("a").await;
    let serving = Serving::start(vec![h2(route(&[("a", backend.address)]))]).await;
    let trailers: HeaderMap = [("x-sum".parse().unwrap(), HeaderValue::from_static("3"))].into_iter().collect();
    let frames =
        [Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"abc"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let mut sender = h2_client(&serving).await;
    let request = Request::post("http://shop.test/echo").body(body).unwrap();
    let answer = within(sender.send_request(request)).await.unwrap().collect().await.unwrap();
    let text = String::from_utf8(answer.to_bytes().to_vec()).unwrap();
    assert!(text.ends_with("body 3\ntrailer x-sum: 3\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_by_host_and_path() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let mut special = route(&[("b", b.address)]);
    special.path_prefix = "/special".to_owned();
    special.hosts = vec!["*.shop.test".to_owned()];
    let mut other = route(&[("a", a.address)]);
    other.path_prefix = "/open".to_owned();
    let serving = Serving::start(vec![special, other]).await;
    let mut client = serving.client().await;
    let cases = [
        ("www.Shop.test:8080", "/special/x", 200, "b"),
        ("www.shop.test", "/open", 200, "a"),
        ("shop.test", "/special", 404, ""),
        ("www.shop.test", "/", 404, ""),
    ];
    for (host, path, status, backend) in cases {
        let answer = client.call(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!((answer.status, answer.header("x-backend")), (status, backend), "{host} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes_through() {
    let backend = RawBackend::start(|mut stream, _| async move {
        // A check of its health says nothing.
        let Some(request) = head(&mut stream).await else { return };
        assert!(request.contains("upgrade: websocket\r\n") && request.contains("connection: upgrade\r\n"), "{request}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello ";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    })
    .await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    client.send("GET /chat HTTP/1.1\r\nhost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, "websocket"));
    client.send("world").await;
    assert_eq!(client.rest().await, b"hello world");
    drop(client);
    wait_until("nothing is in flight", || serving.backend("a").figures.in_flight == 0).await;
    assert_eq!(serving.route("all").figures.statuses, [1, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_websocket_is_an_answer_like_any() {
    let (_backend, serving) = one().await;
    let mut client = serving.client().await;
    let request = "GET /status/403 HTTP/1.1\r\nhost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for _ in 0..2 {
        let answer = client.call(request).await;
        assert_eq!((answer.status, answer.header("upgrade")), (403, ""));
    }
    assert_eq!(client.get("/echo").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_the_service_or_its_rest() {
    let backend = RawBackend::start(|mut stream, _| async move {
        while head(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut spec = route(&[("a", backend.address)]);
    let request = "GET / HTTP/1.1\r\nhost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let config = GatewayConfig { drain_ms: 100, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![spec.clone()]).await;
    let mut client = serving.client().await;
    assert_eq!(client.call(request).await.status, 101);
    let gateway = serving.gateway.clone();
    serving.stopped().await;
    assert_eq!((client.rest().await, gateway.figures().cut), (vec![], 1));
    wait_until("nothing is in flight", || gateway.status()[0].figures.in_flight == 0).await;
    spec.timeouts.idle_ms = 50;
    let serving = Serving::start(vec![spec]).await;
    let mut client = serving.client().await;
    assert_eq!(client.call(request).await.status, 101);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_holds_the_place_of_its_client() {
    let backend = RawBackend::saying(SWITCHED).await;
    let config = GatewayConfig { connections_max: 2, ..GatewayConfig::default() };
    let serving = Serving::configured(config, vec![route(&[("a", backend.address)])]).await;
    let request = "GET / HTTP/1.1\r\nhost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (mut one, mut other) = (serving.client().await, serving.client().await);
    for client in [&mut one, &mut other] {
        assert_eq!(client.call(request).await.status, 101);
    }
    assert_eq!(serving.client().await.answer().await.status, 503, "there is no place");
    assert_eq!((serving.gateway.figures().connections, serving.gateway.figures().refused), (2, 1));
    drop(one);
    wait_until("there is a place", || serving.gateway.figures().connections == 1).await;
    // It ends with the service, in time where its client is done.
    serving.begin_stop();
    drop(other);
    let gateway = serving.gateway.clone();
    serving.stopped().await;
    assert_eq!(gateway.figures().cut, 0);
}

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_come_before_the_whole_request() {
    let backend = RawBackend::start(|mut stream, _| async move {
        if head(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
            stream.write_all(answer.as_bytes()).await.unwrap();
            // As a careful server does: it reads on, so that its answer is not lost by a reset.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    client.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 10000000\r\n\r\nfirst").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
    client.rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let backend = RawBackend::saying_once(b"HTTP/1.0 200 OK\r\n\r\nall of it").await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let mut client = serving.client().await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "all of it"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_may_have_a_name() {
    let backend = Backend::start("a").await;
    let mut spec = route(&[("a", backend.address)]);
    spec.backends[0].address = format!("localhost:{}", backend.address.port());
    let serving = Serving::start(vec![spec]).await;
    assert_eq!(serving.client().await.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_served() {
    let (_backend, serving) = one().await;
    for flags in [&["--http1.1"][..], &["--http2-prior-knowledge"], &["--http2"]] {
        let (flags, url) = (flags.to_vec(), format!("http://{}/echo?by=curl", serving.address));
        let run =
            move || Command::new("curl").args(["-sS", "-m", "20", "-d", "some=body"]).args(flags).arg(url).output();
        let output = tokio::task::spawn_blocking(run).await.unwrap().expect("curl is installed");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(text.starts_with("POST /echo?by=curl HTTP/1.1\n") && text.ends_with("body 9\n"), "{text} {output:?}");
    }
}
