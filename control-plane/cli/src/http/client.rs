use std::{fmt::Display, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use switchyard_types::{
    ApiError, Declaration, Document, FleetEvent, Generation, HookReport, ListedNode, NodeState, NodeStatus, Page,
    PluginManifest, RouteDocument, StrategyDocument, StrategyName,
};

use super::connection::Connection;
use crate::arguments::Global;

/// Compiling and the self-test of a large plugin are within it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Objects of one part of a list.
const PAGE_LIMIT: usize = 500;
/// Parts of one list: more objects than any server here keeps.
const PAGES_MAX: usize = 1_000;

/// One server of the admin API.
pub(crate) struct Client {
    connection: Connection,
    http: reqwest::Client,
}

/// What became of a document.
pub(crate) struct Put {
    /// None: there was none of this name.
    pub(crate) before: Option<Version>,
    pub(crate) after: Version,
}

/// What a document of any kind says of its age.
#[derive(Deserialize)]
pub(crate) struct Version {
    #[serde(rename = "resourceVersion")]
    pub(crate) resource_version: Option<u64>,
    status: Option<Accepted>,
}

#[derive(Deserialize)]
struct Accepted {
    generation: Generation,
    #[serde(default)]
    warnings: Vec<String>,
}

impl Version {
    pub(crate) fn generation(&self) -> Option<Generation> {
        self.status.as_ref().map(|status| status.generation)
    }

    /// What the server finds odd about it.
    pub(crate) fn warnings(&self) -> &[String] {
        self.status.as_ref().map(|status| status.warnings.as_slice()).unwrap_or_default()
    }
}

impl Client {
    /// The server that the command line, the environment or the context file names.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let connection = Connection::find(global)?;
        // A proxy of the environment would see the token.
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT).no_proxy();
        Ok(Self { connection, http: http.build().context("the HTTP client cannot start")? })
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &str {
        &self.connection.server
    }

    pub(crate) async fn health(&self) -> Result<Value> {
        self.json(self.request(Method::GET, "health")).await
    }

    pub(crate) async fn plugins(&self) -> Result<Vec<PluginManifest>> {
        self.list("plugins").await
    }

    pub(crate) async fn strategies(&self) -> Result<Vec<StrategyDocument>> {
        self.list("strategies").await
    }

    pub(crate) async fn routes(&self) -> Result<Vec<RouteDocument>> {
        self.list("routes").await
    }

    pub(crate) async fn strategy(&self, name: &StrategyName) -> Result<StrategyDocument> {
        self.json(self.request(Method::GET, &format!("strategies/{name}"))).await
    }

    /// Every node, also those of which nothing is heard.
    pub(crate) async fn listed_nodes(&self) -> Result<Vec<ListedNode>> {
        self.list("nodes").await
    }

    /// Seals what is declared under a new epoch: the next, or this one at least.
    pub(crate) async fn raise_epoch(&self, to: Option<u32>) -> Result<Generation> {
        self.json(self.request(Method::POST, "epoch").query(&[("to", to)])).await
    }

    /// The nodes that report.
    pub(crate) async fn nodes(&self) -> Result<Vec<NodeStatus>> {
        let nodes = self.listed_nodes().await?.into_iter();
        Ok(nodes.filter(|node| node.status == NodeState::Reporting).map(|node| node.report).collect())
    }

    /// Every event that the leading server remembers, and that such a query chooses.
    pub(crate) async fn events(&self, query: &[(&str, String)]) -> Result<Vec<FleetEvent>> {
        self.parts("events", query, "after").await
    }

    /// What hooks have done lately.
    pub(crate) async fn figures(&self) -> Result<Vec<HookReport>> {
        Ok(self.json::<Page<_>>(self.request(Method::GET, "figures")).await?.items)
    }

    /// Creates or replaces a document.
    pub(crate) async fn put(&self, document: &Declaration, dry_run: bool) -> Result<Put> {
        match document {
            Declaration::Strategy(document) => self.put_one("strategies", &document.name, document, dry_run).await,
            Declaration::Route(document) => self.put_one("routes", &document.name, document, dry_run).await,
        }
    }

    async fn put_one<N, S, T>(&self, kind: &str, name: &N, document: &Document<N, S, T>, dry_run: bool) -> Result<Put>
    where
        N: Display + Serialize,
        S: Serialize,
        T: Serialize,
    {
        let path = format!("{kind}/{name}");
        let before = self.send(self.request(Method::GET, &path)).await?;
        let before: Option<Version> =
            if before.status() == StatusCode::NOT_FOUND { None } else { Some(self.read(before).await?) };
        let request = self.request(Method::PUT, &path).query(&dry_run_query(dry_run)).json(document);
        Ok(Put { before, after: self.json(request).await? })
    }

    /// Takes a document away; `kind` as it stands in the path.
    pub(crate) async fn delete(&self, kind: &str, name: &str, resource_version: Option<u64>) -> Result<()> {
        let query: Vec<(&str, u64)> =
            resource_version.map(|version| ("resourceVersion", version)).into_iter().collect();
        let response = self.send(self.request(Method::DELETE, &format!("{kind}/{name}")).query(&query)).await?;
        self.check(response).await.map(drop)
    }

    /// Publishes a component; whether it was new, and what the server knows of it now.
    pub(crate) async fn push(&self, component: Vec<u8>, dry_run: bool) -> Result<(bool, PluginManifest)> {
        let request = self.request(Method::POST, "plugins").query(&dry_run_query(dry_run));
        let response = self.send(request.header(CONTENT_TYPE, "application/wasm").body(component)).await?;
        let new = response.status() == StatusCode::CREATED;
        Ok((new, self.read(response).await?))
    }

    async fn list<T: DeserializeOwned>(&self, what: &str) -> Result<Vec<T>> {
        self.parts(what, &[], "continue").await
    }

    /// All parts of a list; `from` is the parameter that says after which the next one begins.
    async fn parts<T: DeserializeOwned>(&self, what: &str, query: &[(&str, String)], from: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = [query, &[("limit", PAGE_LIMIT.to_string())]].concat();
            query.extend(after.map(|token| (from, token)));
            let page: Page<T> = self.json(self.request(Method::GET, what).query(&query)).await?;
            items.extend(page.items);
            after = page.continue_token;
            if after.is_none() {
                return Ok(items);
            }
        }
        bail!("the list of {what} has more than {} objects", PAGES_MAX * PAGE_LIMIT)
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/v1/{path}", self.connection.server));
        match &self.connection.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = self.send(request).await?;
        self.read(response).await
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let Connection { server, server_source, .. } = &self.connection;
        request.send().await.map_err(|error| {
            let reason = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
            let cause = root_cause(&error);
            anyhow::anyhow!("the server {server} ({server_source}) {reason}: {cause}; is `switchyard dev` running?")
        })
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let response = self.check(response).await?;
        let body = response.bytes().await.context("the server's answer broke off")?;
        serde_json::from_slice(&body).context("the server's answer is of another shape than this version knows")
    }

    /// An answer that is no success becomes an error: the server's own, or what can be said without it.
    pub(super) async fn check(&self, response: Response) -> Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let error = match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => anyhow::Error::new(error),
            Err(_) => anyhow::anyhow!("{} answered {status}, which is not from Switchyard", self.connection.server),
        };
        if status == StatusCode::UNAUTHORIZED {
            return Err(error.context(format!("the token ({}) was refused", self.connection.token_source)));
        }
        Err(error)
    }
}

fn dry_run_query(dry_run: bool) -> Vec<(&'static str, impl Serialize)> {
    if dry_run { vec![("dryRun", true)] } else { Vec::new() }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
