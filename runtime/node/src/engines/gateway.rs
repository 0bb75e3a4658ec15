use std::sync::Arc;

use switchyard_gateway::{Gateway, GatewayConfig, GatewayError, GatewayService};
use switchyard_types::{RouteName, SlotId, StrategyKind, route::DeclaredRoute};
use tokio::runtime::Handle;

use super::{Engine, Ground, listen};
use crate::{NodeError, causes::with_causes};

/// Time for requests to end when the node stops, in milliseconds: less than the node gives its parts, so that what is cut off
/// is counted and told.
const DRAIN_MS: u64 = 8_000;

/// Puts a set of routes in the place of the current one: all of them or none. Blocks while instances for new routes start.
pub(crate) type SetRoutes = Arc<dyn Fn(Vec<DeclaredRoute>) -> Result<(), RoutesRefused> + Send + Sync>;

/// Why a set of routes did not take the place of the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoutesRefused {
    /// The one that is to be changed; none: all of them together.
    pub(crate) route: Option<RouteName>,
    /// One sentence for the person who can mend it.
    pub(crate) reason: String,
}

/// The gateway, without routes, and what gives it some.
pub(super) async fn start(ground: &Ground<'_>) -> Result<(Engine, SetRoutes), NodeError> {
    let failed = |source: GatewayError| NodeError::Engine { engine: "gateway", source: source.into() };
    let usual = GatewayConfig::default();
    let connections_max = usual.connections_max.min(ground.clients_max);
    let config = GatewayConfig { drain_ms: DRAIN_MS, connections_max, ..usual };
    let gateway = Gateway::new(ground.host, config, Handle::current());
    let (listener, address) = listen("HTTP of the gateway", ground.config.gateway_listen).await?;
    let (slot, figures, routes) = (gateway.whole(), gateway.clone(), gateway.clone());
    let service = GatewayService::new(gateway, listener).map_err(failed)?;
    let engine = Engine {
        name: "gateway",
        slots: vec![(SlotId { kind: StrategyKind::Routing, target: String::new() }, Arc::new(slot))],
        listeners: vec![("gateway", address)],
        figures: Arc::new(move || figures.list()),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    };
    Ok((engine, Arc::new(move |declared| routes.set_routes(declared).map_err(refused))))
}

fn refused(error: GatewayError) -> RoutesRefused {
    RoutesRefused { route: error.route().cloned(), reason: with_causes(&error) }
}
