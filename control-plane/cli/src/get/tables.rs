use std::time::{SystemTime, UNIX_EPOCH};

use switchyard_types::{
    Cohort, Generation, ListedNode, NodeRoute, NodeState, PluginManifest, RouteDocument, Selection, SlotFailure,
    SlotStatus, SlotVersion, StrategyDocument, format_bytes,
};

/// How objects are shown: the head of their table, which of its columns hold numbers, and the rows of one object.
pub(super) struct Rows<T> {
    pub(super) head: &'static [&'static str],
    pub(super) right: &'static [&'static str],
    pub(super) of: ToRows<T>,
}

/// A row for each line that one object takes.
type ToRows<T> = Box<dyn Fn(&T) -> Vec<Row>>;

/// The texts of a row.
pub(super) type Row = Vec<String>;

pub(super) fn plugins() -> Rows<PluginManifest> {
    let row = |plugin: &PluginManifest| {
        let kinds: Vec<_> = plugin.kinds.iter().map(|kind| kind.as_str()).collect();
        vec![vec![
            plugin.name.to_string(),
            plugin.version.to_string(),
            kinds.join(","),
            format_bytes(plugin.size_bytes),
            plugin.digest.short(),
        ]]
    };
    Rows { head: &["name", "version", "kinds", "size", "digest"], right: &["size"], of: Box::new(row) }
}

pub(super) fn strategies() -> Rows<StrategyDocument> {
    let head = &["name", "slot", "plugin", "nodes", "priority", "generation", "active", "configuration"];
    Rows { head, right: &["priority", "active"], of: Box::new(|strategy| vec![strategy_row(strategy)]) }
}

pub(super) fn strategy_row(strategy: &StrategyDocument) -> Vec<String> {
    let status = strategy.status.as_ref();
    let fleet = status.and_then(|status| status.fleet);
    vec![
        strategy.name.to_string(),
        strategy.spec.slot().to_string(),
        strategy.spec.plugin.to_string(),
        selected(strategy.spec.selection()),
        strategy.spec.priority.to_string(),
        status.map_or_else(String::new, |status| status.generation.to_string()),
        fleet.map_or_else(String::new, |fleet| format!("{}/{}", fleet.active, fleet.matched)),
        status.map_or_else(String::new, |status| status.configuration.to_string()),
    ]
}

pub(super) fn routes() -> Rows<RouteDocument> {
    let row = |route: &RouteDocument| {
        let spec = &route.spec;
        let backends: Vec<_> = spec.backends.iter().map(|backend| backend.address.as_str()).collect();
        vec![vec![
            route.name.to_string(),
            if spec.hosts.is_empty() { "any host".to_owned() } else { spec.hosts.join(",") },
            spec.path_prefix.clone(),
            backends.join(","),
            selected(spec.selection()),
            route.status.as_ref().map_or_else(String::new, |status| status.generation.to_string()),
        ]]
    };
    Rows { head: &["name", "hosts", "path", "backends", "nodes", "generation"], right: &[], of: Box::new(row) }
}

fn selected(selection: Selection<'_>) -> String {
    let mut parts: Vec<_> = selection.selector.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !selection.cohort.is_whole() {
        let Cohort { from_percent, to_percent, salt } = selection.cohort;
        let of = if salt.is_empty() { String::new() } else { format!(" of {salt}") };
        parts.push(format!("{}-{} %{of}", f64::from(*from_percent), f64::from(*to_percent)));
    }
    if parts.is_empty() { "every node".to_owned() } else { parts.join(",") }
}

/// One row a slot and one a route; a node without either has one too. A node of which nothing is heard says so in its name: the
/// rest of its rows is what it ran last.
pub(super) fn nodes() -> Rows<ListedNode> {
    let rows = |node: &ListedNode| {
        let ListedNode { status, report } = node;
        let unknown = if *status == NodeState::Unknown { " (unknown)" } else { "" };
        let head = vec![format!("{}{unknown}", report.node), report.generation.to_string()];
        let mut rows: Vec<_> = report.slots.iter().map(slot).chain(report.routes.iter().map(node_route)).collect();
        if rows.is_empty() {
            rows.push(std::array::from_fn::<_, 5, _>(|_| String::new()).to_vec());
        }
        rows.into_iter().map(|row| [head.clone(), row].concat()).collect()
    };
    let head = &["node", "generation", "slot", "received", "active", "healthy", "last failure"];
    Rows { head, right: &[], of: Box::new(rows) }
}

pub(super) fn version(version: &Option<SlotVersion>) -> String {
    version
        .as_ref()
        .map_or_else(|| "fallback".to_owned(), |version| format!("{}@{}", version.strategy, version.generation))
}

fn slot(slot: &SlotStatus) -> Vec<String> {
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
    format!("{}: {}; {}", failure.failure.stage, failure.failure.reason, failure.outlook(now_unix_ms()))
}

/// By this machine's clock, beside those of the nodes: for display.
pub(super) fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
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
