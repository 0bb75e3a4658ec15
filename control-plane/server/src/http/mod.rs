//! The edge: what comes over HTTP is extracted, handed to the part that does it, and mapped back. Nothing is decided here.

mod auth;
mod blobs;
mod body;
mod drain;
mod error;
mod extract;
mod health;
mod nodes;
mod plugins;
mod router;
mod routes;
mod schemas;
mod strategies;
mod timing;

use std::sync::Arc;

pub use router::openapi;
pub(crate) use router::router;
use switchyard_store::ConfigStore;

use crate::{
    ServerConfig,
    declarations::{Desired, Routes, Strategies},
    fleet::Fleet,
    gate::Gate,
    registry::Registry,
};

/// What handlers reach.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Parts>);

/// The parts of a server.
pub(crate) struct Parts {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<dyn ConfigStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) desired: Arc<Desired>,
    pub(crate) strategies: Strategies,
    pub(crate) routes: Routes,
    pub(crate) fleet: Fleet,
    pub(crate) uploads: Gate,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
