use switchyard_host::caching::Budget;

/// Shards of one cache at most: beyond it a shard holds too little for a strategy to see anything.
pub const SHARDS_MAX: usize = 256;
/// Clients at once unless configured: Redis's own default.
const CONNECTIONS_MAX: usize = 10_000;
/// Largest key or value unless configured, in bytes. Redis takes 512 MiB; a cache that keeps such values is a file
/// server, and one of them would hold a connection's buffer for as long as it arrives.
const VALUE_BYTES_MAX: usize = 64 << 20;
/// What clients' unfinished requests and unread answers may take together unless configured, in bytes.
const BUFFERS_BYTES_MAX: usize = 512 << 20;

/// What a cache needs.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// What it may hold, split exactly over the shards.
    pub budget: Budget,
    /// Shards: rounded up to a power of two, at most [`SHARDS_MAX`].
    pub shards: usize,
    /// Clients at once.
    pub connections_max: usize,
    /// Largest key or value, in bytes.
    pub value_bytes_max: usize,
    /// Unfinished requests and unread answers of all clients together, in bytes.
    pub buffers_bytes_max: usize,
    /// The secret of the ids; none: a new one, and ids mean nothing after a restart.
    pub secret: Option<[u8; 16]>,
}

impl CacheConfig {
    /// A cache of this budget with as many shards as the machine has cores.
    pub fn new(budget: Budget) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            budget,
            shards: cores.next_power_of_two(),
            connections_max: CONNECTIONS_MAX,
            value_bytes_max: VALUE_BYTES_MAX,
            buffers_bytes_max: BUFFERS_BYTES_MAX,
            secret: None,
        }
    }
}
