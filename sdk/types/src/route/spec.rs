use serde::{Deserialize, Serialize};

use crate::{Cohort, NodeSelector, Selection};

/// A route as it is declared: which requests it takes and where they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Which nodes' gateways take it, by their labels.
    #[serde(default)]
    pub selector: NodeSelector,
    /// Which part of these.
    #[serde(default, skip_serializing_if = "Cohort::is_whole")]
    pub cohort: Cohort,
    /// Hosts that it takes, without port: `example.com`, or `*.example.com` for everything below. Empty: all hosts.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The paths that it takes: this one and everything below. The longest prefix wins.
    #[serde(default = "root")]
    pub path_prefix: String,
    /// Where requests go.
    pub backends: Vec<BackendSpec>,
    /// What the backends speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// How the backends are checked.
    #[serde(default)]
    pub health: HealthSpec,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: TimeoutSpec,
    /// What is tried again.
    #[serde(default)]
    pub retry: RetrySpec,
    /// The request header whose value a strategy may keep on one backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity_header: Option<String>,
    /// What is too much.
    #[serde(default)]
    pub limits: RouteLimits,
}

impl RouteSpec {
    /// The nodes that it is for.
    pub fn selection(&self) -> Selection<'_> {
        Selection { selector: &self.selector, cohort: &self.cohort }
    }
}

fn root() -> String {
    "/".to_owned()
}

/// One backend of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendSpec {
    /// Its name, unique in the route.
    pub name: String,
    /// `host:port`; a name is resolved when a connection is opened.
    pub address: String,
    /// Its share among the others.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// What a backend speaks; always without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    H2,
}

/// How a route's backends are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSpec {
    /// Path of a GET that a healthy backend answers below 400; none: a connection that opens is enough.
    pub path: Option<String>,
    /// From check to check, in milliseconds, give or take a tenth.
    pub interval_ms: u64,
    /// For one check, in milliseconds.
    pub timeout_ms: u64,
    /// Good checks in a row until an unhealthy backend gets requests again.
    pub healthy_after: u32,
    /// Failed checks in a row until a healthy backend gets none.
    pub unhealthy_after: u32,
}

impl Default for HealthSpec {
    fn default() -> Self {
        Self { path: None, interval_ms: 2_000, timeout_ms: 1_000, healthy_after: 1, unhealthy_after: 2 }
    }
}

/// How long things may take, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutSpec {
    /// Opening a connection.
    pub connect_ms: u64,
    /// From the last byte of the request to the head of the answer.
    pub response_ms: u64,
    /// Between two pieces of a body, either way, and for an unused connection to a backend.
    pub idle_ms: u64,
    /// The whole exchange with its retries; none: no bound.
    pub total_ms: Option<u64>,
}

impl Default for TimeoutSpec {
    fn default() -> Self {
        Self { connect_ms: 2_000, response_ms: 30_000, idle_ms: 60_000, total_ms: None }
    }
}

/// What is tried again on the next candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySpec {
    /// Tries after the first, 0 to 2.
    pub attempts: u32,
    /// What is a reason to try again.
    pub on: Vec<RetryOn>,
    /// Methods that may be carried out twice. What was never sent may be tried again with every method.
    pub methods: Vec<String>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        // RFC 9110, section 9.2.2.
        let idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
        Self {
            attempts: 2,
            on: vec![RetryOn::ConnectError, RetryOn::ConnectionLost],
            methods: idempotent.map(str::to_owned).to_vec(),
        }
    }
}

/// A reason to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryOn {
    /// No connection could be opened.
    ConnectError,
    /// The connection broke before an answer.
    ConnectionLost,
    /// No answer came in time.
    Timeout,
    /// The answer was 502, 503 or 504.
    #[serde(rename = "5xx")]
    ServerError,
}

/// What is too much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteLimits {
    /// Largest request body, in bytes.
    pub body_bytes_max: u64,
    /// Requests that each backend gets at once: with HTTP/1.1 as many connections, upgraded ones included.
    pub connections_max: u32,
    /// Unused connections kept to each backend.
    pub idle_connections_max: usize,
}

impl Default for RouteLimits {
    fn default() -> Self {
        // Far more than a server works on at once, and far fewer than the ports towards one address.
        Self { body_bytes_max: 64 << 20, connections_max: 4_096, idle_connections_max: 256 }
    }
}
