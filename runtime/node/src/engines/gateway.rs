use std::{collections::BTreeMap, sync::Arc};

use switchyard_gateway::{Gateway, GatewayConfig, GatewayError, GatewayService};
use switchyard_host::KeyedHash;
use switchyard_types::{RouteName, SlotId, StrategyKind, route::DeclaredRoute};
use tokio::runtime::Handle;

use super::{Engine, Ground, listen};
use crate::{NodeError, causes::with_causes};

/// Time for requests to end when the node stops, in milliseconds: less than the node gives its parts, so that what is cut off
/// is counted and told.
const DRAIN_MS: u64 = 8_000;

/// Puts a set of routes in the place of the current one. The error is why none of them was taken. Blocks while instances for
/// new routes start.
pub(crate) type SetRoutes = Arc<dyn Fn(Vec<DeclaredRoute>) -> Result<Taken, String> + Send + Sync>;

/// What a gateway has made of a set of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// What it has now: of a route that it refused the version before, where there was one.
    pub(crate) routes: Vec<DeclaredRoute>,
    /// Of each that it refused, one sentence for the person who can mend it.
    pub(crate) refused: BTreeMap<RouteName, String>,
}

/// The gateway, without routes, and what gives it some.
pub(super) async fn start(ground: &Ground<'_>) -> Result<(Engine, SetRoutes), NodeError> {
    let failed = |source: GatewayError| NodeError::Engine { engine: "gateway", source: source.into() };
    let hash = KeyedHash::new(ground.secret);
    let usual = GatewayConfig::default();
    let connections_max = usual.connections_max.min(ground.clients_max);
    let config = GatewayConfig { drain_ms: DRAIN_MS, connections_max, hash, ..usual };
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
    Ok((engine, Arc::new(move |declared| take(&routes, declared))))
}

/// One wrong route must not keep the others from changing: it steps back, until the gateway takes the rest.
fn take(gateway: &Gateway, mut routes: Vec<DeclaredRoute>) -> Result<Taken, String> {
    let earlier = gateway.routes();
    let mut refused = BTreeMap::new();
    loop {
        let Err(error) = gateway.set_routes(routes.clone()) else { return Ok(Taken { routes, refused }) };
        let reason = with_causes(&error);
        match error.route() {
            Some(name) if step_back(&mut routes, name, &earlier) => {
                // Why it is not taken as it is wanted; that the earlier version does not fit either is no news.
                refused.entry(name.clone()).or_insert(reason);
            }
            _ => return Err(reason),
        }
    }
}

/// To the version that the gateway has, and without one or from that to nothing: a route steps back twice at most.
fn step_back(routes: &mut Vec<DeclaredRoute>, name: &RouteName, earlier: &[DeclaredRoute]) -> bool {
    let Some(place) = routes.iter().rposition(|route| route.name == *name) else { return false };
    let refused = routes.remove(place);
    if let Some(before) = earlier.iter().find(|route| route.name == *name)
        && before.spec != refused.spec
    {
        routes.insert(place, before.clone());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, port: u16) -> DeclaredRoute {
        let text = format!(r#"{{"backends":[{{"name":"a","address":"127.0.0.1:{port}"}}]}}"#);
        DeclaredRoute { name: name.parse().unwrap(), spec: serde_json::from_str(&text).unwrap() }
    }

    #[test]
    fn a_refused_route_steps_back_to_what_it_was_and_then_to_nothing() {
        let earlier = [route("a", 1)];
        let mut routes = vec![route("a", 2), route("b", 2)];
        let check = |routes: &mut Vec<DeclaredRoute>, name: &str, expected: &[DeclaredRoute]| {
            let stepped = step_back(routes, &name.parse().unwrap(), &earlier);
            assert_eq!(routes, expected);
            stepped
        };
        assert!(check(&mut routes, "a", &[route("a", 1), route("b", 2)]));
        assert!(check(&mut routes, "b", &[route("a", 1)]));
        assert!(check(&mut routes, "a", &[]));
        assert!(!check(&mut routes, "a", &[]));
    }
}
