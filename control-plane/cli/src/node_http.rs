use std::{env, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Url;
use serde::de::DeserializeOwned;
use switchyard_types::{ApiError, NodeStatus};

use crate::{arguments::Global, failure::UsageError, http::Client};

/// A node answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const VARIABLE: &str = "SWITCHYARD_NODE_HTTP";

/// Which node is asked.
#[derive(Debug, Args)]
pub(crate) struct NodeHttpArguments {
    /// The node's HTTP address, for example http://127.0.0.1:7071; default: SWITCHYARD_NODE_HTTP, else the only node that
    /// the server knows
    #[arg(long, value_name = "URL")]
    node_http: Option<String>,
}

/// The HTTP listener of one node.
pub(crate) struct NodeHttp {
    http: reqwest::Client,
    url: Url,
}

impl NodeHttp {
    /// The node that the flag or the environment names, else the only one that the server has heard of.
    pub(crate) async fn find(arguments: &NodeHttpArguments, global: &Global) -> Result<Self> {
        let variable = || env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        let text = match (&arguments.node_http, variable()) {
            (Some(url), _) => url.clone(),
            (None, Some(url)) => url,
            (None, None) => only_node(Client::new(global)?.nodes().await?)?,
        };
        let url = Url::parse(&text).ok().filter(|url| url.scheme() == "http" && !url.cannot_be_a_base());
        let Some(url) = url else {
            return Err(UsageError(format!("node {text:?} is not valid: expected http://HOST:PORT")).into());
        };
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT).no_proxy();
        Ok(Self { http: http.build().context("the HTTP client cannot start")?, url })
    }

    /// What lies under a path of these parts.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T> {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        let response = self.http.get(url).send().await;
        let response = response.with_context(|| format!("the node {} does not answer", self.url))?;
        let status = response.status();
        let body = response.bytes().await.context("the node's answer broke off")?;
        if !status.is_success() {
            return Err(match serde_json::from_slice::<ApiError>(&body) {
                Ok(error) => anyhow::Error::new(error),
                Err(_) => anyhow::anyhow!("{} answered {status}, which is not from Switchyard", self.url),
            });
        }
        serde_json::from_slice(&body).context("the node's answer is of another shape than this version knows")
    }
}

fn only_node(nodes: Vec<NodeStatus>) -> Result<String> {
    match nodes.as_slice() {
        [] => bail!("the server has heard of no node yet"),
        [node] => {
            let address = node.listeners.get("http");
            let address = address.with_context(|| format!("{} does not say where it answers HTTP", node.node))?;
            Ok(format!("http://{address}"))
        }
        several => Err(UsageError(format!("there are {} nodes: give --node-http", several.len())).into()),
    }
}
