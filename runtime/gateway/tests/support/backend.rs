//! Backends: one that behaves, and one that does what a test says byte by byte.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

type Answer = BoxBody<Bytes, Infallible>;

/// An HTTP server: `/echo` and everything else tells what it got, `/status/N`, `/slow/MS`, `/bytes/N`, `/trailers`.
pub struct Backend {
    pub address: SocketAddr,
    pub requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Backend {
    pub async fn start(name: &'static str) -> Self {
        Self::at(name, "127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn at(name: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = requests.clone();
        let task = tokio::spawn(async move {
            // Dropped with the task: all connections break.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let counted = counted.clone();
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    async move { Ok::<_, Infallible>(answer(name, request).await) }
                });
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, requests, task }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// All its connections break, and nobody listens any more.
    pub async fn kill(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.address
    }
}

async fn answer(name: &'static str, request: Request<Incoming>) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    let number = || path.rsplit('/').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let mut response = match path.split('/').nth(1) {
        Some("status") => {
            let mut response = Response::new(whole(String::new()));
            *response.status_mut() = StatusCode::from_u16(number() as u16).unwrap();
            response
        }
        Some("slow") => {
            tokio::time::sleep(Duration::from_millis(number())).await;
            echo(request).await
        }
        Some("bytes") => bytes(number()),
        Some("trailers") => trailers(),
        _ => echo(request).await,
    };
    response.headers_mut().insert("x-backend", HeaderValue::from_static(name));
    response
}

/// What it got: the first line, the headers, then the length of the body and its trailers.
async fn echo(request: Request<Incoming>) -> Response<Answer> {
    let (head, body) = request.into_parts();
    let mut text = format!("{} {} {:?}\n", head.method, head.uri, head.version);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned();
            text.push_str(&format!("body {}\n", body.to_bytes().len()));
            for (name, value) in trailers.iter().flatten() {
                text.push_str(&format!("trailer {}: {}\n", name, value.to_str().unwrap()));
            }
        }
        Err(error) => text.push_str(&format!("body broken: {error}\n")),
    }
    Response::new(whole(text))
}

fn whole(text: String) -> Answer {
    Full::new(Bytes::from(text)).boxed()
}

fn bytes(count: u64) -> Response<Answer> {
    const PIECE: u64 = 16 << 10;
    let pieces = (0..count.div_ceil(PIECE)).map(move |piece| {
        let from = piece * PIECE;
        let piece: Vec<u8> = (from..(from + PIECE).min(count)).map(|n| (n % 251) as u8).collect();
        Ok::<_, Infallible>(Frame::data(Bytes::from(piece)))
    });
    Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces))))
}

fn trailers() -> Response<Answer> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("42"));
    let frames = [Ok(Frame::data(Bytes::from_static(b"before"))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames))));
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
    response
}

/// A backend that is only a socket: `talk` gets every connection.
pub struct RawBackend {
    pub address: SocketAddr,
    pub connections: Arc<AtomicU64>,
    _task: JoinHandle<()>,
}

impl RawBackend {
    pub async fn start<F: Future<Output = ()> + Send + 'static>(
        talk: impl Fn(TcpStream, u64) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(talk(stream, number));
            }
        });
        Self { address, connections, _task: task }
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Answers every request head with these bytes, and leaves the connection open.
    pub async fn saying(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream, _| async move {
            while head(&mut stream).await.is_some() {
                stream.write_all(bytes).await.unwrap();
            }
        })
        .await
    }

    /// Answers one request head with these bytes, and closes.
    pub async fn saying_once(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream, _| async move {
            if head(&mut stream).await.is_some() {
                let _ = stream.write_all(bytes).await;
            }
        })
        .await
    }
}

/// Reads up to the end of a request's head; none: the gateway has closed.
pub async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(bytes).unwrap())
}
