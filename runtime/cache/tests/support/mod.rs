//! What the integration tests share: a cache that serves, a real Redis, and a client that sees every byte.
#![allow(dead_code, reason = "every test file uses its part")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use switchyard_cache::{Cache, CacheConfig, CacheService};
use switchyard_host::{
    Compiler, Host, HostConfig,
    caching::{Budget, Unit},
};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn host() -> Host {
    Host::new(HostConfig::new(Compiler::InProcess)).expect("a host")
}

pub(crate) fn entries(capacity: u64) -> CacheConfig {
    CacheConfig::new(Budget { unit: Unit::Entries, capacity })
}

pub(crate) fn bytes(capacity: u64) -> CacheConfig {
    CacheConfig::new(Budget { unit: Unit::Bytes, capacity })
}

/// A cache behind its listener, on threads of its own.
pub(crate) struct Serving {
    pub(crate) cache: Cache,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub(crate) fn start(config: CacheConfig) -> Self {
        let cache = Cache::new(&host(), config).expect("a cache");
        let stop = CancellationToken::new();
        let (send, receive) = std::sync::mpsc::channel();
        let (served, stopped) = (cache.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let service = CacheService::new(served, listener);
                send.send(service.address().unwrap()).unwrap();
                service.run(stopped).await.unwrap();
            });
        });
        Self { cache, address: receive.recv().unwrap(), stop, thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A real Redis on a port of its own.
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        // Between finding a port and Redis taking it, somebody else may: then another is tried.
        (0..5).find_map(|_| Self::try_start()).expect("redis-server does not start: see its output above")
    }

    fn try_start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let dir = tempfile::tempdir().ok()?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--databases", "1"])
            .args(["--appendonly", "no", "--loglevel", "warning", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server cannot be started: install the package redis-server");
        let mut redis = Self { address: ([127, 0, 0, 1], port).into(), child, _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if redis.child.try_wait().ok()?.is_some() {
                return None;
            }
            if TcpStream::connect(redis.address).is_ok() {
                return Some(redis);
            }
            std::thread::yield_now();
        }
        None
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that knows just enough of the protocol to see where a reply ends.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// One half to send and one to receive, for two threads.
    pub(crate) fn split(self) -> (Self, Self) {
        let stream = self.stream.try_clone().expect("a second handle");
        (Self { stream, read: Vec::new() }, self)
    }

    /// Sends as much as the peer takes.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the peer takes it");
    }

    /// Sends one request and returns its reply as it came.
    pub(crate) fn call(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.send(&request(words));
        self.reply()
    }

    /// The same for words in a text, separated by spaces; `""` is an empty word.
    pub(crate) fn say(&mut self, line: &str) -> Vec<u8> {
        let words: Vec<&[u8]> =
            line.split(' ').map(|word| if word == "\"\"" { b"" } else { word.as_bytes() }).collect();
        self.call(&words)
    }

    pub(crate) fn say_text(&mut self, line: &str) -> String {
        String::from_utf8_lossy(&self.say(line)).into_owned()
    }

    pub(crate) fn reply(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = end_of_reply(&self.read, 0) {
                let rest = self.read.split_off(end);
                return std::mem::replace(&mut self.read, rest);
            }
            let mut piece = [0; 64 << 10];
            let got = self.stream.read(&mut piece).expect("an answer in time");
            assert!(got > 0, "the connection was closed after {:?}", self.read.escape_ascii().to_string());
            self.read.extend_from_slice(&piece[..got]);
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.read);
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return all,
                Ok(got) => all.extend_from_slice(&piece[..got]),
                // A peer that closes with unread input resets the connection.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
                Err(error) => panic!("the connection was not closed: {error}"),
            }
        }
    }
}

pub(crate) fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn end_of_reply(bytes: &[u8], start: usize) -> Option<usize> {
    let line = start + bytes.get(start..)?.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[start + 1..line - 2]).unwrap().parse::<i64>().unwrap();
    let items = match bytes[start] {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' => return Some(line),
        b'$' | b'=' => {
            let end = if number() < 0 { line } else { line + number() as usize + 2 };
            return (bytes.len() >= end).then_some(end);
        }
        b'*' | b'~' => number().max(0),
        b'%' => number() * 2,
        other => panic!("{:?} begins no reply", other as char),
    };
    (0..items).try_fold(line, |at, _| end_of_reply(bytes, at))
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::yield_now();
    }
}
