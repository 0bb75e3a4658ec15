use std::env;

use anyhow::{Result, anyhow, bail};
use switchyard_types::NodeStatus;

use super::NodeArguments;
use crate::{
    arguments::Global,
    failure::UsageError,
    http::{Client, Connection, Source},
};

const VARIABLE: &str = "SWITCHYARD_NODE_HTTP";
/// What a node calls the listener.
const LISTENER: &str = "http";

/// The node that the command line or the environment names, else the only one of the server.
pub(super) async fn node(arguments: &NodeArguments, global: &Global) -> Result<Client> {
    let flag = arguments.node_http.clone().map(|url| (url, Source::Flag("--node-http")));
    let variable = || env::var(VARIABLE).ok().filter(|url| !url.is_empty() && arguments.node.is_none());
    let (url, source) = match flag.or_else(|| variable().map(|url| (url, Source::Environment(VARIABLE)))) {
        Some(given) => given,
        None => pick(&Client::new(global)?.nodes().await?, arguments.node.as_deref())?,
    };
    if !url.starts_with("http://") {
        let message = format!("the node's address {url:?} ({source}) is not valid: expected http://HOST:PORT");
        return Err(UsageError(message).into());
    }
    Client::of(Connection::without_token(&url, source))
}

fn pick(nodes: &[NodeStatus], name: Option<&str>) -> Result<(String, Source)> {
    let named: Vec<_> = nodes.iter().filter(|node| name.is_none_or(|name| node.node.as_str() == name)).collect();
    match named.as_slice() {
        [] => bail!(name.map_or("no node has reported yet".to_owned(), |name| format!("there is no node {name:?}"))),
        [node] => {
            let address = node.listeners.get(LISTENER);
            let address = address.ok_or_else(|| anyhow!("node {} tells no HTTP address", node.node))?;
            Ok((format!("http://{address}"), Source::Node(node.node.to_string())))
        }
        several => {
            let names: Vec<_> = several.iter().map(|node| node.node.as_str()).collect();
            Err(UsageError(format!("there are several nodes ({}): name one with --node", names.join(", "))).into())
        }
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
        let url = |nodes: &[NodeStatus], name| pick(nodes, name).map(|(url, _)| url).map_err(|error| error.to_string());
        assert_eq!(url(std::slice::from_ref(&one), None).unwrap(), "http://127.0.0.1:1");
        assert_eq!(url(&two, Some("b")).unwrap(), "http://127.0.0.1:2");
        assert_eq!(url(&two, None).unwrap_err(), "there are several nodes (a, b): name one with --node");
        assert_eq!(url(&two, Some("c")).unwrap_err(), "there is no node \"c\"");
        assert_eq!(url(&[], None).unwrap_err(), "no node has reported yet");
        assert_eq!(url(&[node("a", json!({}))], None).unwrap_err(), "node a tells no HTTP address");
    }
}
