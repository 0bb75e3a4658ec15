#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]
//! A server over a store of its own, and small plugins to publish.

mod plugin;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
pub use plugin::{PluginText, built};
use serde_json::{Value, json};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_server::{Server, ServerConfig, token};
use switchyard_store::{BlobStore, ConfigStore, EmbeddedStore, Operation, Transaction};
use switchyard_sync::ServerKey;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Answers of these tests are small.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Nothing here takes long; a machine that does three other things may.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(100);

pub struct Rig {
    pub folder: TempDir,
    pub store: EmbeddedStore,
    pub token: String,
    config: ServerConfig,
    pub host: Host,
    pub key: ServerKey,
    router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    pub async fn with(config: ServerConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let key = ServerKey::generate().unwrap();
        let token = token::ensure(&store, &key, token::StoredRole::Admin).await.unwrap().unwrap();
        let token = token.as_str().to_owned();
        // Fixtures are trusted: they are compiled here.
        let host = Host::new(HostConfig { instances_max: 16, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let blobs = BlobStore::open(folder.path().join("blobs")).unwrap();
        let server = Server::new(config.clone(), Arc::new(store.clone()), blobs, host.clone(), key.clone());
        Self { router: server.router(), folder, store, token, config, host, key }
    }

    /// Another server over the same store.
    pub fn server(&self) -> Server {
        self.server_with(self.config.clone())
    }

    /// The same, told otherwise.
    pub fn server_with(&self, config: ServerConfig) -> Server {
        let blobs = BlobStore::open(self.folder.path().join("blobs")).unwrap();
        Server::new(config, Arc::new(self.store.clone()), blobs, self.host.clone(), self.key.clone())
    }

    /// A server that listens, and has no others beside it.
    pub async fn serve(&self) -> Serving {
        self.serve_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), false)
    }

    /// A server that listens, one of several over this store.
    pub async fn serve_as_one_of_several(&self) -> Serving {
        self.serve_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), true)
    }

    /// The same with a folder of its own for plugins.
    pub async fn serve_as_one_of_several_with(&self, blobs: &std::path::Path) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let advertise = Some(format!("http://{}", listener.local_addr().unwrap()));
        let config = ServerConfig { advertise, ..self.config.clone() };
        let (store, blobs) = (Arc::new(self.store.clone()), BlobStore::open(blobs).unwrap());
        let server = Server::new(config, store, blobs, self.host.clone(), self.key.clone());
        Serving::start(server, listener, &self.token)
    }

    /// A server that listens, over another store than this rig's own.
    pub async fn serve_over(&self, store: Arc<dyn ConfigStore>) -> Serving {
        let token = self.token_in(&*store).await;
        let blobs = BlobStore::open(self.folder.path().join("blobs")).unwrap();
        let server = Server::new(self.config.clone(), store, blobs, self.host.clone(), self.key.clone());
        Serving::start(server, TcpListener::bind("127.0.0.1:0").await.unwrap(), &token)
    }

    /// A new token of operators.
    async fn token_in(&self, store: &dyn ConfigStore) -> String {
        token::rotate(store, &self.key, token::StoredRole::Admin).await.unwrap().as_str().to_owned()
    }

    /// The same where somebody listens already.
    pub fn serve_on(&self, listener: TcpListener, is_one_of_several: bool) -> Serving {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let advertise = is_one_of_several.then(|| url.clone());
        let server = self.server_with(ServerConfig { advertise, ..self.config.clone() });
        Serving::start(server, listener, &self.token)
    }

    /// Writes values as they come, without a lease.
    pub async fn write(&self, values: &[(String, Value)]) {
        let operations = values.iter().map(|(key, value)| Operation::put(key, value.to_string())).collect();
        self.store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let token = format!("Bearer {}", self.token);
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn put(&self, document: &Value) -> Answer {
        let name = document["name"].as_str().unwrap();
        self.json(Method::PUT, &format!("/v1/strategies/{name}"), document).await
    }

    pub async fn upload(&self, path: &str, bytes: impl Into<Body>) -> Answer {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/wasm");
        self.send(request.body(bytes.into()).unwrap()).await
    }

    pub async fn publish(&self, plugin: &PluginText) -> Answer {
        self.upload("/v1/plugins", plugin.component()).await
    }

    /// Everything that the store holds but the token.
    pub async fn state(&self) -> Vec<(String, Vec<u8>)> {
        let range = switchyard_store::Range { prefix: "/switchyard/v1/", after: None, limit: 1_000 };
        let entries = self.store.list(range).await.unwrap().entries;
        let kept = entries.into_iter().filter(|(key, _)| !key.contains("/trust/"));
        kept.map(|(key, entry)| (key, entry.value.to_vec())).collect()
    }

    pub fn blobs(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("blobs")).unwrap().count()
    }
}

/// A server that listens.
pub struct Serving {
    pub url: String,
    pub token: String,
    http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    fn start(server: Server, listener: TcpListener, token: &str) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(listener, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, token: token.to_owned(), http, stop, task }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// The status and the body.
    pub async fn ask(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// Lines of an answer that goes on.
    pub async fn lines(&self, path: &str) -> Lines {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        Lines { answer, read: Vec::new() }
    }

    /// Stops it and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// An answer that goes on.
pub struct Lines {
    answer: reqwest::Response,
    read: Vec<u8>,
}

impl Lines {
    /// The next line; none: the answer has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let chunk = tokio::time::timeout(DEADLINE, self.answer.chunk()).await.expect("a line");
            self.read.extend_from_slice(&chunk.unwrap()?);
        }
    }

    /// The next line that is no bookmark.
    pub async fn news(&mut self) -> Option<Value> {
        loop {
            let line = self.next().await?;
            if line["type"] != "BOOKMARK" {
                return Some(line);
            }
        }
    }
}

/// Asks again until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

impl Answer {
    /// An error of this status and code whose message contains `expected`.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str, expected: &str) {
        let message = self.body["message"].as_str().unwrap_or_default();
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(message.contains(expected), "{message:?} should contain {expected:?}");
    }

    /// Refused at this stage.
    #[track_caller]
    pub fn is_refused(&self, stage: &str, expected: &str) {
        self.is_error(422, "refused", expected);
        assert_eq!(self.body["stage"], stage, "{}", self.body);
    }

    #[track_caller]
    pub fn is(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        &self.body
    }
}

/// A strategy document.
pub fn strategy(name: &str, plugin: &str) -> Value {
    json!({"kind": "Strategy", "name": name, "spec": {"kind": "caching", "plugin": plugin}})
}
