use switchyard_host::KeyedHash;

/// Clients at once unless configured.
const CONNECTIONS_MAX: usize = 10_000;
/// Time for a whole request head unless configured, in milliseconds: a client that takes longer holds a socket for nothing.
const HEADER_MS: u64 = 10_000;
/// Time that a client's connection may rest between requests unless configured, in milliseconds.
const KEEP_ALIVE_MS: u64 = 75_000;
/// Time in which a client must take something of an answer unless configured, in milliseconds.
const WRITE_MS: u64 = 30_000;
/// Time for requests to end when the service stops unless configured, in milliseconds.
const DRAIN_MS: u64 = 30_000;
/// Largest request head unless configured, in bytes.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection unless configured.
const STREAMS_MAX: u32 = 128;
/// What the HTTP/1 parser needs at least, in bytes.
pub(crate) const HEADER_BYTES_MIN: usize = 8 << 10;

/// What the listening side of a gateway needs; what belongs to a route is in its [`RouteSpec`](switchyard_types::route::RouteSpec).
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Clients at once.
    pub connections_max: usize,
    /// Time for a whole request head, in milliseconds.
    pub header_ms: u64,
    /// Time that a connection may rest between requests, in milliseconds.
    pub keep_alive_ms: u64,
    /// Time in which a client must take something of an answer, in milliseconds.
    pub write_ms: u64,
    /// Time for requests to end when the service stops, in milliseconds; then they are cut off.
    pub drain_ms: u64,
    /// Largest request head, in bytes; at least 8 KiB.
    pub header_bytes_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Makes the numbers that strategies see instead of paths, clients and headers. Unless configured they mean nothing to the
    /// next process.
    pub hash: KeyedHash,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            header_ms: HEADER_MS,
            keep_alive_ms: KEEP_ALIVE_MS,
            write_ms: WRITE_MS,
            drain_ms: DRAIN_MS,
            header_bytes_max: HEADER_BYTES_MAX,
            streams_max: STREAMS_MAX,
            hash: KeyedHash::random(),
        }
    }
}
