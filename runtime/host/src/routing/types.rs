use wasmtime::component::{ComponentType, Lift, Lower};

/// Candidates that one request may have.
pub const CANDIDATES_MAX: usize = 256;
/// Backends that one choice may name.
pub const ORDER_MAX: usize = 3;
/// Outcomes that may wait in one shard; what comes then is not told.
pub const OUTCOMES_MAX: usize = 16_384;
/// [`Resident::latency_us`] of a backend whose last try reached nobody.
pub const LATENCY_DEAD: u32 = u32::MAX;
/// Bytes of a path that cross.
pub const PATH_BYTES_MAX: usize = 1_024;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are HTTP's")]
pub enum Method {
    #[component(name = "get")]
    Get,
    #[component(name = "head")]
    Head,
    #[component(name = "post")]
    Post,
    #[component(name = "put")]
    Put,
    #[component(name = "delete")]
    Delete,
    #[component(name = "patch")]
    Patch,
    #[component(name = "options")]
    Options,
    #[component(name = "other")]
    Other,
}

/// What a strategy sees of a request.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Request {
    /// Keyed hash of the path.
    #[component(name = "path-id")]
    pub path_id: u64,
    /// Keyed hash of the client's address; 0: unknown.
    pub client: u64,
    /// Keyed hash of the route's affinity header; none: the request has none.
    pub affinity: Option<u64>,
    /// Its method.
    pub method: Method,
    /// The path, at most [`PATH_BYTES_MAX`] bytes of it, where [`Wants::keys`] is on.
    pub path: Option<String>,
}

/// A healthy backend, or any where none is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Candidate {
    /// Its number on this route.
    pub backend: u32,
    /// Requests that this node has sent it and that have not ended.
    #[component(name = "in-flight")]
    pub in_flight: u32,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub enum Choice {
    /// Different candidates, the best first: 1 to [`ORDER_MAX`].
    #[component(name = "order")]
    Order(Vec<u32>),
    /// Nowhere: it is answered with this status, 400 to 599.
    #[component(name = "refuse")]
    Refuse(u16),
}

/// A declared backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Backend {
    /// Its number on this route.
    pub backend: u32,
    /// Its share as the route declares it.
    pub weight: u32,
    /// Whether requests go there.
    pub healthy: bool,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum OutcomeKind {
    /// With an answer below 500.
    #[component(name = "answered")]
    Answered,
    /// With an answer of 500 or above.
    #[component(name = "failed")]
    Failed,
    /// Without a connection, or without an answer in time.
    #[component(name = "unreachable")]
    Unreachable,
}

/// One try that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Outcome {
    /// Who was tried.
    pub backend: u32,
    /// How it ended.
    pub kind: OutcomeKind,
    /// From the try, or the end of the request's body, to the head of the answer, in microseconds.
    #[component(name = "latency-us")]
    pub latency_us: u32,
}

/// What the engine knows of a backend, for an instance that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Resident {
    /// Its number on this route.
    pub backend: u32,
    /// Requests that have not ended.
    #[component(name = "in-flight")]
    pub in_flight: u32,
    /// Moving average of its latencies as outcomes have them, in microseconds; 0: none yet; [`LATENCY_DEAD`]: the last try
    /// reached nobody.
    #[component(name = "latency-us")]
    pub latency_us: u32,
}

/// What one shard of a route has done since the last tick, and what the route has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Load {
    /// Since the last tick.
    pub requests: u64,
    /// Of the whole route, now.
    #[component(name = "in-flight")]
    pub in_flight: u64,
    /// Tries that failed or reached nobody, since the last tick.
    pub failures: u64,
}

/// What the active strategy wants to be told: the engine buffers nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// Outcomes.
    pub outcomes: bool,
    /// The path in [`Request::path`].
    pub keys: bool,
    /// How many outcomes make a batch; 0: no strategy is active and nothing is buffered.
    pub batch: usize,
}
