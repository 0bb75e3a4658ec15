//! Every key of the store, and nowhere else.

use switchyard_types::{NodeId, PluginName, RouteName, StrategyName};

/// Under which everything lives.
pub const ROOT: &str = "/switchyard/v1/";
/// How the values below are written; in a store that servers of several versions share, whoever comes first puts it there.
pub const FORMAT: &str = "/switchyard/v1/format";
/// Manifests of published plugins.
pub const PLUGINS: &str = "/switchyard/v1/plugins/";
/// Everything that is declared, and its seal: what nodes watch. One prefix, so that one stream tells of a change whole.
pub const DESIRED: &str = "/switchyard/v1/desired/";
/// The seal over everything that is declared; written in every transaction that changes a document.
pub const SEAL: &str = "/switchyard/v1/desired/seal";
/// Declared strategies.
pub const STRATEGIES: &str = "/switchyard/v1/desired/strategies/";
/// Declared routes.
pub const ROUTES: &str = "/switchyard/v1/desired/routes/";
/// Known nodes: identity and labels.
pub const NODES: &str = "/switchyard/v1/nodes/";
/// Coalesced statuses of nodes, each under its node's lease: gone when the node is.
pub const STATUS: &str = "/switchyard/v1/status/";
/// Servers that run, each under its lease.
pub const SERVERS: &str = "/switchyard/v1/servers/";
/// Which server leads, under its lease.
pub const LEADER: &str = "/switchyard/v1/leader";
/// Hashed tokens and the public key of the servers.
pub const TRUST: &str = "/switchyard/v1/trust/";

/// The public key of the servers.
pub const SERVER_KEY: &str = "/switchyard/v1/trust/server-key";

/// The manifest of one version of a plugin.
pub fn plugin(name: &PluginName, version: &semver::Version) -> String {
    format!("{PLUGINS}{name}/{version}")
}

/// One strategy.
pub fn strategy(name: &StrategyName) -> String {
    format!("{STRATEGIES}{name}")
}

/// One route.
pub fn route(name: &RouteName) -> String {
    format!("{ROUTES}{name}")
}

/// One node.
pub fn node(id: &NodeId) -> String {
    format!("{NODES}{id}")
}

/// The status of one node.
pub fn status(id: &NodeId) -> String {
    format!("{STATUS}{id}")
}

/// One server.
pub fn server(id: &str) -> String {
    format!("{SERVERS}{id}")
}

/// The hash of the admin token.
pub fn admin_token() -> String {
    format!("{TRUST}admin-token")
}

/// The hash of the token that nodes join with.
pub fn node_token() -> String {
    format!("{TRUST}node-token")
}
