//! The edge: what comes over HTTP is extracted, handed to the part that does it, and mapped back. Nothing is decided here.

mod auth;
mod blobs;
mod body;
mod drain;
mod epoch;
mod error;
mod events;
mod extract;
mod figures;
mod forward;
mod health;
mod join;
mod nodes;
mod plugins;
mod reports;
mod router;
mod routes;
mod schemas;
mod strategies;
mod sync;
mod timing;
mod watch;

use std::sync::Arc;

pub(crate) use forward::Forwarder;
pub use router::openapi;
pub(crate) use router::router;
use switchyard_store::{ConfigStore, RelayStore};
use switchyard_sync::TrustKey;
use tokio_util::sync::CancellationToken;

use crate::{
    ServerConfig,
    declarations::{Desired, Routes, Strategies},
    fleet::Fleet,
    gate::{Gate, Pace},
    lead::Lead,
    registry::Registry,
    reports::Reports,
    streams::Streams,
    token::Tokens,
};

/// What handlers reach.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Parts>);

/// The parts of a server.
pub(crate) struct Parts {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<dyn ConfigStore>,
    /// The same store; what is declared comes from memory, however many nodes follow it.
    pub(crate) relay: RelayStore,
    /// Who does what must be done once.
    pub(crate) lead: Lead,
    pub(crate) lists: Pace,
    pub(crate) tokens: Tokens,
    pub(crate) trust: TrustKey,
    /// Ends the streams: they would go on for ever.
    pub(crate) stopping: CancellationToken,
    pub(crate) registry: Arc<Registry>,
    pub(crate) desired: Arc<Desired>,
    pub(crate) strategies: Strategies,
    pub(crate) routes: Routes,
    pub(crate) fleet: Fleet,
    pub(crate) uploads: Gate,
    /// The way to the server that leads.
    pub(crate) forwarder: Forwarder,
    pub(crate) reports: Arc<Reports>,
    pub(crate) streams: Streams,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
