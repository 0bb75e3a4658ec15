use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Cohort, Generation, LabelMatch};

/// A declared route.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RouteDocument {
    /// `Route`.
    kind: String,
    name: String,
    #[schema(required = false)]
    labels: BTreeMap<String, String>,
    /// The version of this document. A replacement that carries it is refused when the document has changed since.
    #[serde(rename = "resourceVersion")]
    #[schema(required = false)]
    resource_version: Option<u64>,
    spec: RouteSpec,
    /// What the server adds; ignored when it is sent.
    #[schema(required = false)]
    status: Option<RouteStatus>,
}

/// Which requests a gateway takes and where they go.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteSpec {
    /// Labels that a node must have, each with a value or a list of values; none: every node.
    #[schema(required = false)]
    selector: BTreeMap<String, LabelMatch>,
    /// Which part of these nodes; absent: all.
    #[schema(required = false)]
    cohort: Option<Cohort>,
    /// Without port: `example.com`, or `*.example.com` for everything below; none: all hosts.
    #[schema(required = false)]
    hosts: Vec<String>,
    /// This path and everything below; `/` unless given.
    #[schema(required = false)]
    path_prefix: String,
    backends: Vec<BackendSpec>,
    #[schema(required = false)]
    protocol: Protocol,
    #[schema(required = false)]
    health: HealthSpec,
    #[schema(required = false)]
    timeouts: TimeoutSpec,
    #[schema(required = false)]
    retry: RetrySpec,
    /// The request header whose value a strategy may keep on one backend.
    #[schema(required = false)]
    affinity_header: Option<String>,
    #[schema(required = false)]
    limits: RouteLimits,
}

/// One backend of a route.
#[derive(Serialize, ToSchema)]
pub(super) struct BackendSpec {
    /// Unique in the route.
    name: String,
    /// `host:port`.
    address: String,
    /// Its share among the others, 1 to 1000; 1 unless given.
    #[schema(required = false)]
    weight: u32,
}

/// What the backends speak, without TLS.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    Http1,
    H2,
}

/// How backends are checked.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthSpec {
    /// Of a GET that is answered below 400; absent: a connection that opens is enough.
    #[schema(required = false)]
    path: Option<String>,
    #[schema(required = false)]
    interval_ms: u64,
    #[schema(required = false)]
    timeout_ms: u64,
    /// Good checks in a row.
    #[schema(required = false)]
    healthy_after: u32,
    /// Failed checks in a row.
    #[schema(required = false)]
    unhealthy_after: u32,
}

/// How long things may take.
#[derive(Serialize, ToSchema)]
pub(super) struct TimeoutSpec {
    #[schema(required = false)]
    connect_ms: u64,
    /// To the head of the answer.
    #[schema(required = false)]
    response_ms: u64,
    /// Between two pieces of a body.
    #[schema(required = false)]
    idle_ms: u64,
    /// The whole exchange; absent: no bound.
    #[schema(required = false)]
    total_ms: Option<u64>,
}

/// What is tried again on the next backend.
#[derive(Serialize, ToSchema)]
pub(super) struct RetrySpec {
    /// Tries after the first, 0 to 2.
    #[schema(required = false)]
    attempts: u32,
    #[schema(required = false)]
    on: Vec<RetryOn>,
    /// That may be carried out twice.
    #[schema(required = false)]
    methods: Vec<String>,
}

/// A reason to try again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RetryOn {
    ConnectError,
    ConnectionLost,
    Timeout,
    #[serde(rename = "5xx")]
    ServerError,
}

/// What is too much.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteLimits {
    #[schema(required = false)]
    body_bytes_max: u64,
    /// Requests that each backend gets at once.
    #[schema(required = false)]
    connections_max: u32,
    /// To each backend.
    #[schema(required = false)]
    idle_connections_max: usize,
}

/// What the server adds to an accepted route.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteStatus {
    /// The desired state that this route, as it stands, first belonged to.
    generation: Generation,
    /// What looks like a mistake, when it is applied.
    #[schema(required = false)]
    warnings: Vec<String>,
}
