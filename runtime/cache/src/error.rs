use switchyard_host::caching::Unit;

/// Why a cache could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The operating system gave no random numbers for the secret of the ids.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// Sizes of entries are counted when they are stored, so the unit stays.
    #[error("the cache's budget counts {has:?}: it cannot be changed to {wanted:?} while the cache runs")]
    Unit {
        /// What it counts.
        has: Unit,
        /// What was asked for.
        wanted: Unit,
    },
    /// The listener failed for good.
    #[error("the RESP listener failed")]
    Listen(#[source] std::io::Error),
}
