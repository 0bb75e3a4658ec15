//! The admin API, as a user's program speaks to it.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use switchyard_types::{ApiError, NodeStatus, Page, PluginManifest, StrategyDocument};

/// Compiling and self-testing have their own bounds below this.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// What the server said.
#[derive(Debug)]
pub enum Answer<T> {
    /// Done.
    Accepted(T),
    /// Not done, and why.
    Refused(StatusCode, ApiError),
}

impl<T> Answer<T> {
    /// What came of it; an error when it was refused.
    pub fn accepted(self) -> Result<T> {
        match self {
            Self::Accepted(value) => Ok(value),
            Self::Refused(status, error) => bail!("the server refused ({status}, {:?}): {error}", error.code),
        }
    }

    /// Why it was refused; an error when it was not.
    pub fn refused(self) -> Result<(StatusCode, ApiError)> {
        match self {
            Self::Accepted(_) => bail!("the server accepted what it should refuse"),
            Self::Refused(status, error) => Ok((status, error)),
        }
    }
}

/// A client with a token.
#[derive(Debug, Clone)]
pub struct Admin {
    http: Client,
    server: String,
    token: String,
}

#[derive(Deserialize)]
struct Credentials {
    server: String,
    token: String,
}

impl Admin {
    /// As the context file says.
    pub fn from_context(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let Credentials { server, token } = serde_json::from_str(&text)?;
        Self::new(&server, &token)
    }

    /// Of this server, with this token.
    pub fn new(server: &str, token: &str) -> Result<Self> {
        let http = Client::builder().timeout(ANSWER_DEADLINE).no_proxy().build()?;
        Ok(Self { http, server: server.to_owned(), token: token.to_owned() })
    }

    /// The same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Publishes a plugin.
    pub async fn push(&self, component: Vec<u8>) -> Result<Answer<PluginManifest>> {
        let request = self.request(Method::POST, "/v1/plugins");
        send(request.header("content-type", "application/wasm").body(component)).await
    }

    /// Creates or replaces a strategy.
    pub async fn apply(&self, document: &Value) -> Result<Answer<StrategyDocument>> {
        let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
        send(self.request(Method::PUT, &format!("/v1/strategies/{name}")).json(document)).await
    }

    /// Removes a strategy.
    pub async fn delete(&self, name: &str) -> Result<StatusCode> {
        Ok(self.request(Method::DELETE, &format!("/v1/strategies/{name}")).send().await?.status())
    }

    /// Published plugins, the first page.
    pub async fn plugins(&self) -> Result<Page<PluginManifest>> {
        self.get("/v1/plugins").await?.accepted()
    }

    /// Declared strategies, the first page.
    pub async fn strategies(&self) -> Result<Page<StrategyDocument>> {
        self.get("/v1/strategies").await?.accepted()
    }

    /// What a node last reported; none: nothing yet.
    pub async fn node(&self, id: &str) -> Result<Option<NodeStatus>> {
        match self.get(&format!("/v1/nodes/{id}")).await? {
            Answer::Accepted(status) => Ok(Some(status)),
            Answer::Refused(StatusCode::NOT_FOUND, _) => Ok(None),
            refused => refused.accepted().map(Some),
        }
    }

    /// Any path.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>> {
        send(self.request(Method::GET, path)).await
    }

    /// A request to be filled in: for what no ordinary client would send.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server)).bearer_auth(&self.token)
    }
}

/// Sends a request and reads either what was asked for or the one error shape.
pub async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<Answer<T>> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    let shown = || format!("{status}: {}", String::from_utf8_lossy(&body));
    if status.is_success() {
        return Ok(Answer::Accepted(serde_json::from_slice(&body).with_context(shown)?));
    }
    Ok(Answer::Refused(status, serde_json::from_slice(&body).with_context(shown)?))
}

/// A caching strategy's document.
pub fn caching_strategy(name: &str, plugin: &str, configuration: Option<Value>) -> Value {
    strategy("caching", name, plugin, configuration)
}

/// The document of a strategy of any kind.
pub fn strategy(kind: &str, name: &str, plugin: &str, configuration: Option<Value>) -> Value {
    let mut spec = json!({ "kind": kind, "plugin": plugin });
    if let (Some(configuration), Some(spec)) = (configuration, spec.as_object_mut()) {
        spec.insert("configuration".to_owned(), configuration);
    }
    json!({ "kind": "Strategy", "name": name, "spec": spec })
}
