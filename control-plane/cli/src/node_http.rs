use std::{
    env,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::{Method, RequestBuilder, Url};
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
    /// The node, where the server knows several
    #[arg(long, value_name = "NAME", conflicts_with = "node_http")]
    node: Option<String>,
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
        // Who names a node does not mean the one of the environment.
        let variable = || env::var(VARIABLE).ok().filter(|value| !value.is_empty() && arguments.node.is_none());
        let text = match (&arguments.node_http, variable()) {
            (Some(url), _) => url.clone(),
            (None, Some(url)) => url,
            (None, None) => {
                let client = Client::new(global)?;
                pick(&client.nodes().await?, arguments.node.as_deref(), client.server())?
            }
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
        self.json(self.request(Method::GET, path)).await
    }

    /// A request to be filled in, for what lies under a path of these parts.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        self.http.request(method, url)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = request.send().await;
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

fn pick(nodes: &[NodeStatus], name: Option<&str>, server: &str) -> Result<String> {
    let named: Vec<_> = nodes.iter().filter(|node| name.is_none_or(|name| node.node.as_str() == name)).collect();
    match (named.as_slice(), name) {
        ([], None) => bail!("the server has heard of no node yet"),
        ([], Some(name)) => bail!("there is no node {name:?}"),
        ([node], _) => {
            let address = node.listeners.get("http");
            let address = address.with_context(|| format!("{} does not say where it answers HTTP", node.node))?;
            Ok(format!("http://{}", reachable(node.node.as_str(), address, server)?))
        }
        (several, _) => {
            let names: Vec<_> = several.iter().map(|node| node.node.as_str()).collect();
            Err(UsageError(format!("there are several nodes ({}): name one with --node", names.join(", "))).into())
        }
    }
}

/// The node's address as it is seen from here. A node reports where it listens: that is no way to it where it listens
/// everywhere, or for its own machine only. Where the server is on this machine a node without an address of its own is too;
/// else nobody knows, and another node may well answer here at the same port.
fn reachable(node: &str, address: &str, server: &str) -> Result<String> {
    let Ok(listens) = address.parse::<SocketAddr>() else { return Ok(address.to_owned()) };
    let server = Url::parse(server).ok();
    let server = server.as_ref().and_then(Url::host_str).unwrap_or_default();
    let bare = server.trim_matches(['[', ']']);
    let here = bare == "localhost" || bare.parse().is_ok_and(|server: IpAddr| server.is_loopback());
    match (listens.ip(), here) {
        (ip, true) if ip.is_unspecified() => Ok(format!("{server}:{}", listens.port())),
        (ip, false) if ip.is_unspecified() || ip.is_loopback() => Err(UsageError(format!(
            "{node} listens at {address}, which does not say how it is reached from here: name it with --node-http \
             http://HOST:{}",
            listens.port()
        ))
        .into()),
        _ => Ok(address.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, listeners: serde_json::Value) -> NodeStatus {
        let status = json!({
            "node": name,
            "generation": { "epoch": 1, "counter": 1 },
            "listeners": listeners,
            "slots": [],
            "live_generations": 0,
            "live_instances": 0,
            "live_bytes": 0,
            "resident_bytes": 0,
            "at_unix_ms": 0
        });
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn the_only_node_is_meant_and_of_several_the_one_that_is_named() {
        let one = node("a", json!({ "http": "127.0.0.1:1" }));
        let two = [one.clone(), node("b", json!({ "http": "127.0.0.1:2" }))];
        let url =
            |nodes: &[NodeStatus], name| pick(nodes, name, "http://127.0.0.1:7070").map_err(|error| error.to_string());
        assert_eq!(url(std::slice::from_ref(&one), None).unwrap(), "http://127.0.0.1:1");
        assert_eq!(url(&two, Some("b")).unwrap(), "http://127.0.0.1:2");
        assert_eq!(url(&two, None).unwrap_err(), "there are several nodes (a, b): name one with --node");
        assert_eq!(url(&two, Some("c")).unwrap_err(), "there is no node \"c\"");
        assert_eq!(url(&[], None).unwrap_err(), "the server has heard of no node yet");
        assert_eq!(url(&[node("a", json!({}))], None).unwrap_err(), "a does not say where it answers HTTP");
    }

    #[test]
    fn a_way_to_a_node_is_not_guessed() {
        let check = |address: &str, server: &str, expected: Result<&str, &str>| {
            let got = reachable("a", address, server).map_err(|error| error.to_string());
            match expected {
                Ok(expected) => assert_eq!(got.as_deref(), Ok(expected)),
                Err(part) => assert!(got.as_ref().is_err_and(|error| error.contains(part)), "{got:?}"),
            }
        };
        check("127.0.0.1:7071", "http://127.0.0.1:7070", Ok("127.0.0.1:7071"));
        check("0.0.0.0:7071", "http://127.0.0.1:7070", Ok("127.0.0.1:7071"));
        check("[::]:7071", "http://[::1]:7070", Ok("[::1]:7071"));
        check("0.0.0.0:7071", "http://localhost:7070", Ok("localhost:7071"));
        check("10.1.2.3:7071", "http://plane.example:7070", Ok("10.1.2.3:7071"));
        check("node.example:7071", "http://plane.example:7070", Ok("node.example:7071"));
        for address in ["127.0.0.1:7071", "[::1]:7071", "0.0.0.0:7071", "[::]:7071"] {
            check(address, "http://plane.example:7070", Err("--node-http http://HOST:7071"));
            check(address, "http://10.1.2.3:7070", Err("a listens at"));
        }
    }
}
