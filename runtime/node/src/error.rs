use std::{io, net::SocketAddr, path::PathBuf};

use switchyard_cache::CacheError;

/// Why a node does not run. What goes wrong with a strategy is no error of the node: it stands in its status.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another process holds the data folder.
    #[error("another process runs the node in {folder}: stop it, or give this one a data folder of its own")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder cannot be used.
    #[error("cannot use the node's data folder: {path}")]
    Folder {
        /// The file or folder that failed.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address for the Redis protocol cannot be had.
    #[error("cannot listen for RESP on {address}: choose another address or stop what listens there")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache engine did not start or broke.
    #[error("the cache engine does not run")]
    Cache(#[source] CacheError),
    /// The cache engine panicked.
    #[error("the cache engine has broken down")]
    Broken(#[source] tokio::task::JoinError),
    /// The cache engine ended although nobody told it to.
    #[error("the cache engine has ended by itself")]
    Ended,
}
