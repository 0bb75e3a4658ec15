use std::{error::Error, io, net::SocketAddr, path::PathBuf};

use switchyard_sync::TrustKey;

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
    /// The node has joined another fleet.
    #[error(
        "this node trusts the servers with the key {pinned}, and is told to follow those with {given}: if the servers' key was \
         replaced on purpose, delete {path}"
    )]
    OtherTrust {
        /// The key that it has pinned.
        pinned: Box<TrustKey>,
        /// The other one.
        given: Box<TrustKey>,
        /// Where it is pinned.
        path: PathBuf,
    },
    /// The address for a protocol cannot be had.
    #[error("cannot listen for {protocol} on {address}: choose another address or stop what listens there")]
    Listen {
        /// What would be spoken there.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Where reports should go is not to be used.
    #[error("reports cannot be sent: {reason}")]
    Reports {
        /// Why.
        reason: String,
    },
    /// An engine did not start or broke.
    #[error("the {engine} engine does not run")]
    Engine {
        /// Which one.
        engine: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An engine panicked.
    #[error("an engine has broken down")]
    Broken(#[source] tokio::task::JoinError),
    /// An engine ended although nobody told it to.
    #[error("the {engine} engine has ended by itself")]
    Ended {
        /// Which one.
        engine: &'static str,
    },
}
