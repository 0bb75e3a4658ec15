//! What the integration tests share: tasks that serve, and a client that sees every byte.
#![allow(dead_code, reason = "every test file uses its part")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::OnceLock,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_tasks::{Tasks, TasksConfig, TasksService, router};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The one host of a test's process.
pub(crate) fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    let config = HostConfig { instances_max: 32, ..HostConfig::new(Compiler::InProcess) };
    HOST.get_or_init(|| Host::new(config).expect("a host")).clone()
}

/// Tasks in a folder of their own.
pub(crate) fn config(folder: &tempfile::TempDir) -> TasksConfig {
    TasksConfig::new(folder.path().join("tasks/tasks.redb"))
}

/// A job with a name, for the queue `default`.
pub(crate) fn job(jid: &str) -> String {
    job_with(jid, "")
}

/// A job with more fields, each with a comma before it.
pub(crate) fn job_with(jid: &str, more: &str) -> String {
    format!(r#"{{"jid":"{jid}","jobtype":"test","args":[1,"two"]{more}}}"#)
}

/// Tasks behind their listeners, on threads of their own.
pub(crate) struct Serving {
    pub(crate) tasks: Tasks,
    pub(crate) address: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

impl Serving {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut TasksConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder);
        change(&mut config);
        let mut serving = Self::open(config);
        serving._folder = Some(folder);
        serving
    }

    pub(crate) fn open(config: TasksConfig) -> Self {
        Self::with(Tasks::open(&host(), config).expect("tasks"))
    }

    pub(crate) fn with(tasks: Tasks) -> Self {
        let stop = CancellationToken::new();
        let (send, receive) = std::sync::mpsc::channel();
        let (served, stopped) = (tasks.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let http = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let service = TasksService::new(served.clone(), listener);
                send.send((service.address().unwrap(), http.local_addr().unwrap())).unwrap();
                let web = axum::serve(http, router(served)).into_future();
                tokio::select! {
                    served = service.run(stopped) => served.unwrap(),
                    served = web => served.unwrap(),
                }
            });
        });
        let (address, http) = receive.recv().unwrap();
        Self { tasks, address, http, stop, thread: Some(thread), _folder: None }
    }

    /// A client that has said hello: a worker where it has a name.
    pub(crate) fn client(&self, wid: Option<&str>) -> Client {
        let mut client = Client::connect(self.address);
        assert_eq!(client.line(), "+HI {\"v\":2}");
        let wid = wid.map(|wid| format!(r#","wid":"{wid}","pid":1,"hostname":"here","labels":["test"]"#));
        assert_eq!(client.say(&format!(r#"HELLO {{"v":2{}}}"#, wid.unwrap_or_default())), "+OK");
        client
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

/// A client that sends bytes and sees lines.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("a connection")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the peer takes it");
    }

    /// Sends a line and returns its answer.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.try_say(line).expect("an answer")
    }

    pub(crate) fn try_say(&mut self, line: &str) -> std::io::Result<String> {
        self.stream.write_all(format!("{line}\r\n").as_bytes())?;
        self.try_answer()
    }

    pub(crate) fn line(&mut self) -> String {
        self.try_line().expect("a line")
    }

    fn try_line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.read.split_off(end + 2);
                let line = std::mem::replace(&mut self.read, rest);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> std::io::Result<()> {
        let mut piece = [0; 64 << 10];
        let got = self.stream.read(&mut piece)?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.read.extend_from_slice(&piece[..got]);
        Ok(())
    }

    /// A line, or the text of a bulk string; none there is `nothing`.
    pub(crate) fn answer(&mut self) -> String {
        self.try_answer().expect("an answer")
    }

    pub(crate) fn try_answer(&mut self) -> std::io::Result<String> {
        let line = self.try_line()?;
        let Some(length) = line.strip_prefix('$') else { return Ok(line) };
        let Ok(length) = length.parse::<usize>() else { return Ok("nothing".to_owned()) };
        while self.read.len() < length + 2 {
            self.more()?;
        }
        let rest = self.read.split_off(length + 2);
        let text = std::mem::replace(&mut self.read, rest);
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// Whether the peer has closed, and everything it said before.
    pub(crate) fn rest(&mut self) -> String {
        while self.more().is_ok() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::yield_now();
    }
}

/// A file that set-up makes in the target folder.
pub(crate) fn in_target(path: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(default, PathBuf::from);
    let path = target.join(path);
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}
