//! Every key of the store, and nowhere else.

use switchyard_types::{NodeId, PluginName, RouteName, StrategyName};

/// Under which everything lives.
pub const ROOT: &str = "/switchyard/v1/";
/// Manifests of published plugins.
pub const PLUGINS: &str = "/switchyard/v1/plugins/";
/// Declared strategies: what nodes watch.
pub const STRATEGIES: &str = "/switchyard/v1/strategies/";
/// Declared routes: what nodes watch too.
pub const ROUTES: &str = "/switchyard/v1/routes/";
/// The generation of the desired state; written in every transaction that changes a strategy or a route.
pub const GENERATION: &str = "/switchyard/v1/generation";
/// Known nodes: identity and labels.
pub const NODES: &str = "/switchyard/v1/nodes/";
/// Coalesced statuses of nodes.
pub const STATUS: &str = "/switchyard/v1/status/";
/// Hashed admin tokens and other trust.
pub const TRUST: &str = "/switchyard/v1/trust/";

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

/// The hash of the admin token.
pub fn admin_token() -> String {
    format!("{TRUST}admin-token")
}
