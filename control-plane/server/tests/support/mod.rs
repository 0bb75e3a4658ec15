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
use switchyard_store::{BlobStore, ConfigStore, EmbeddedStore};
use tempfile::TempDir;
use tower::ServiceExt;

/// Answers of these tests are small.
const ANSWER_BYTES_MAX: usize = 16 << 20;

pub struct Rig {
    pub folder: TempDir,
    pub store: EmbeddedStore,
    pub token: String,
    config: ServerConfig,
    host: Host,
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
        let token = token::ensure(&store).await.unwrap().unwrap().as_str().to_owned();
        // Fixtures are trusted: they are compiled here.
        let host = Host::new(HostConfig { instances_max: 16, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let blobs = BlobStore::open(folder.path().join("blobs")).unwrap();
        let server = Server::new(config.clone(), Arc::new(store.clone()), blobs, host.clone());
        Self { router: server.router(), folder, store, token, config, host }
    }

    /// Another server over the same store.
    pub fn server(&self) -> Server {
        let blobs = BlobStore::open(self.folder.path().join("blobs")).unwrap();
        Server::new(self.config.clone(), Arc::new(self.store.clone()), blobs, self.host.clone())
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
