use std::time::Duration;

/// Versions of plugins unless a server says otherwise: an hourly release for a year.
const PLUGINS_MAX: usize = 10_000;

/// What a server can be told. The defaults fit; each field says why it would be turned.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Bytes of an uploaded plugin, at most [`switchyard_store::BLOB_BYTES_MAX`]. Lower it where authors are not trusted
    /// with memory: every upload is held in memory once.
    pub upload_bytes_max: u64,
    /// Versions of plugins at once. They stay for ever, so this bounds the store and the blobs; raise it with the disk.
    pub plugins_max: usize,
    /// How long a request may take. Raise it where the store is slow.
    pub request_time_max: Duration,
    /// How long an upload may take, sending and checking together. Raise it for authors on slow lines.
    pub upload_time_max: Duration,
    /// Connections at once. A node that follows through this server holds up to three: what it follows and writes, what it fetches,
    /// and what it tells each have their own, so that none waits for another; 4,096 serve about 1,300 nodes. What comes beyond
    /// waits to be accepted, and the log says so.
    pub connections_max: usize,
    /// Where other servers and nodes reach this one, `http://HOST:PORT`; none: nobody has to.
    pub advertise: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            upload_bytes_max: switchyard_store::BLOB_BYTES_MAX,
            plugins_max: PLUGINS_MAX,
            request_time_max: Duration::from_secs(30),
            upload_time_max: Duration::from_secs(120),
            connections_max: 4_096,
            advertise: None,
        }
    }
}
