//! The engines of a node, assembled from its configuration. Each is started by a function here that gives an [`Engine`]: its
//! slots, its addresses, its figures and what runs it. The rest of the node knows engines by nothing else.

mod cache;
mod gateway;
mod slots;
mod tasks;
mod telemetry;

use std::{error::Error, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use switchyard_host::{Host, StrategySlot};
use switchyard_types::{Figure, SlotId};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use gateway::{SetRoutes, Taken};

use crate::{NodeConfig, NodeError, folder::DataFolder};

/// Why an engine has ended.
pub(crate) type EngineError = Box<dyn Error + Send + Sync>;

/// An engine that has started: its address is bound, and nobody is served yet.
pub(crate) struct Engine {
    /// For people.
    pub(crate) name: &'static str,
    /// What its strategies decide in.
    pub(crate) slots: Vec<(SlotId, Arc<dyn StrategySlot>)>,
    /// Its addresses, by protocol.
    pub(crate) listeners: Vec<(&'static str, SocketAddr)>,
    /// What it counts and holds, for example `cache.hits`.
    pub(crate) figures: Figures,
    /// Serves until shutdown.
    pub(crate) run: Run,
}

/// What an engine serves on the node's own HTTP listener.
type Routes = axum::Router;

pub(crate) type Figures = Arc<dyn Fn() -> Vec<Figure> + Send + Sync>;
pub(crate) type Run = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), EngineError>> + Send>;

/// What every engine is made of.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a NodeConfig,
    pub(crate) host: &'a Host,
    pub(crate) folder: &'a DataFolder,
    /// The node's own, for keyed hashes that others cannot aim at.
    pub(crate) secret: [u8; 16],
    /// Clients that one listener may have: a client costs a file, and the process has a bound on these.
    pub(crate) clients_max: usize,
    /// Of the node itself, for who reads those of the engines.
    pub(crate) figures: Figures,
}

/// Every engine that the configuration asks for, and what takes the node's routes.
pub(crate) async fn start(ground: &Ground<'_>) -> Result<(Vec<Engine>, SetRoutes), NodeError> {
    let cache = cache::start(ground).await?;
    let (gateway, set_routes) = gateway::start(ground).await?;
    let (tasks, routes) = tasks::start(ground).await?;
    // Last: it serves what the others have to say over HTTP.
    let telemetry = telemetry::start(ground, routes, &[&cache, &gateway, &tasks]).await?;
    Ok((vec![cache, gateway, tasks, telemetry], set_routes))
}

async fn listen(protocol: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |source| NodeError::Listen { protocol, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
