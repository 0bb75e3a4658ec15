use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use switchyard_types::{
    Generation, NodeRoute, NodeSelector, NodeStatus, PluginManifest, RouteDocument, SlotFailure, SlotStatus,
    SlotVersion, StrategyDocument, format_bytes,
};

use crate::{arguments::Global, http::Client, output, runtime::block_on, table::table};

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// What to list
    #[arg(value_enum)]
    what: What,
    /// Only the one of this name (plugins: a name or name@version)
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    #[value(alias = "plugin")]
    Plugins,
    #[value(alias = "strategy")]
    Strategies,
    #[value(alias = "route")]
    Routes,
    #[value(alias = "node")]
    Nodes,
}

pub(crate) fn run(verb: &Get, global: &Global) -> Result<()> {
    let client = Client::new(global)?;
    let name = verb.name.as_deref();
    match verb.what {
        What::Plugins => {
            let named = |plugin: &PluginManifest, name: &str| {
                plugin.name.as_str() == name || format!("{}@{}", plugin.name, plugin.version) == name
            };
            list(global, "plugin", block_on(client.plugins())?, name, named, plugins)
        }
        What::Strategies => {
            let named = |strategy: &StrategyDocument, name: &str| strategy.name.as_str() == name;
            list(global, "strategy", block_on(client.strategies())?, name, named, strategies)
        }
        What::Routes => {
            let named = |route: &RouteDocument, name: &str| route.name.as_str() == name;
            list(global, "route", block_on(client.routes())?, name, named, routes)
        }
        What::Nodes => {
            let named = |node: &NodeStatus, name: &str| node.node.as_str() == name;
            list(global, "node", block_on(client.nodes())?, name, named, nodes)
        }
    }
}

/// Everything as an array, or the one of a name as itself.
fn list<T: Serialize>(
    global: &Global,
    kind: &str,
    mut items: Vec<T>,
    name: Option<&str>,
    named: impl Fn(&T, &str) -> bool,
    show: fn(&[T]) -> String,
) -> Result<()> {
    let Some(name) = name else { return output::print(global.output, items.as_slice(), |items| Ok(show(items))) };
    items.retain(|item| named(item, name));
    match items.as_slice() {
        [] => bail!("there is no {kind} {name:?}"),
        [one] => output::print(global.output, one, |one| Ok(show(std::slice::from_ref(one)))),
        several => output::print(global.output, several, |several| Ok(show(several))),
    }
}

fn plugins(plugins: &[PluginManifest]) -> String {
    let row = |plugin: &PluginManifest| {
        let kinds: Vec<_> = plugin.kinds.iter().map(|kind| kind.as_str()).collect();
        vec![
            plugin.name.to_string(),
            plugin.version.to_string(),
            kinds.join(","),
            format_bytes(plugin.size_bytes),
            plugin.digest.short(),
        ]
    };
    table(&["name", "version", "kinds", "size", "digest"], &["size"], plugins.iter().map(row))
}

fn strategies(strategies: &[StrategyDocument]) -> String {
    let row = |strategy: &StrategyDocument| {
        let status = strategy.status.as_ref();
        vec![
            strategy.name.to_string(),
            strategy.spec.slot().to_string(),
            strategy.spec.plugin.to_string(),
            selected(&strategy.spec.selector),
            strategy.spec.priority.to_string(),
            status.map_or_else(String::new, |status| status.generation.to_string()),
            status.map_or_else(String::new, |status| status.configuration.to_string()),
        ]
    };
    let head = ["name", "slot", "plugin", "nodes", "priority", "generation", "configuration"];
    table(&head, &["priority"], strategies.iter().map(row))
}

fn routes(routes: &[RouteDocument]) -> String {
    let row = |route: &RouteDocument| {
        let spec = &route.spec;
        let backends: Vec<_> = spec.backends.iter().map(|backend| backend.address.as_str()).collect();
        vec![
            route.name.to_string(),
            if spec.hosts.is_empty() { "any host".to_owned() } else { spec.hosts.join(",") },
            spec.path_prefix.clone(),
            backends.join(","),
            selected(&spec.selector),
            route.status.as_ref().map_or_else(String::new, |status| status.generation.to_string()),
        ]
    };
    table(&["name", "hosts", "path", "backends", "nodes", "generation"], &[], routes.iter().map(row))
}

fn selected(selector: &NodeSelector) -> String {
    let labels: Vec<_> = selector.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if labels.is_empty() { "every node".to_owned() } else { labels.join(",") }
}

/// One row a slot and one a route; a node without either has one too.
fn nodes(nodes: &[NodeStatus]) -> String {
    let rows = nodes.iter().flat_map(|node| {
        let head = vec![node.node.to_string(), node.generation.to_string()];
        let mut rows: Vec<_> = node.slots.iter().map(slot).chain(node.routes.iter().map(node_route)).collect();
        if rows.is_empty() {
            rows.push(std::array::from_fn::<_, 5, _>(|_| String::new()).to_vec());
        }
        rows.into_iter().map(move |row| [head.clone(), row].concat())
    });
    table(&["node", "generation", "slot", "received", "active", "healthy", "last failure"], &[], rows)
}

fn slot(slot: &SlotStatus) -> Vec<String> {
    let version = |version: &Option<SlotVersion>| {
        version
            .as_ref()
            .map_or_else(|| "fallback".to_owned(), |version| format!("{}@{}", version.strategy, version.generation))
    };
    let failure = slot.last_failure.as_ref();
    vec![
        slot.slot.to_string(),
        version(&slot.received),
        version(&slot.active),
        version(&slot.last_healthy),
        failure.map_or_else(String::new, told),
    ]
}

/// Where it failed, why, and whether it is tried again.
fn told(failure: &SlotFailure) -> String {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    format!("{}: {}; {}", failure.failure.stage, failure.failure.reason, failure.outlook(now_ms))
}

/// In the columns of a slot: what a gateway has taken has nothing more to show.
fn node_route(route: &NodeRoute) -> Vec<String> {
    let version = |generation: Option<Generation>| {
        generation.map_or_else(|| "none".to_owned(), |generation| format!("{}@{generation}", route.name))
    };
    vec![
        format!("route/{}", route.name),
        version(route.received),
        version(route.active),
        version(route.active),
        route.failure.as_ref().map_or_else(String::new, |failure| failure.reason.clone()),
    ]
}
