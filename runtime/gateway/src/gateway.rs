use std::{
    hash::RandomState,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use switchyard_host::{Host, routing::RoutingSlot};
use tokio::runtime::Handle;

use crate::{
    BackendStatus, GatewayConfig, GatewayError, ListenerFigures, RouteSpec, RouteStatus,
    backend::{self, Backend},
    clock::Clock,
    decide::Deciding,
    figures::ListenerCounters,
    route::RouteTable,
};

/// The gateway: a handle on its routes. Whoever has one may change them while requests run.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: GatewayConfig,
    pub(crate) routes: ArcSwap<RouteTable>,
    pub(crate) counters: ListenerCounters,
    pub(crate) clock: Clock,
    deciding: Deciding,
    /// Where the gateway listens; held while routes are changed, so that changes come one after the other.
    listeners: Mutex<Vec<SocketAddr>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway without routes, which answers 404. Its checks run on `runtime`.
    pub fn new(host: &Host, config: GatewayConfig, runtime: Handle) -> Self {
        let routes = ArcSwap::from_pointee(RouteTable::default());
        let (counters, clock) = (ListenerCounters::default(), Clock::new());
        let deciding = Deciding { host: host.clone(), clock, runtime, secret: RandomState::new() };
        Self { shared: Arc::new(Shared { config, routes, counters, clock, deciding, listeners: Mutex::default() }) }
    }

    /// Puts a new set of routes in the place of the current one. Requests keep the set that they began with; backends that
    /// are the same (route, name, address, protocol) keep their connections, health and figures; the others end what they
    /// do and get nothing new. If anything is wrong with one route nothing is changed.
    pub fn set_routes(&self, specs: Vec<RouteSpec>) -> Result<(), GatewayError> {
        let listeners = self.shared.listeners.lock();
        for listener in listeners.iter() {
            refuse_itself(&specs, *listener)?;
        }
        let earlier = self.shared.routes.load_full();
        let table = Arc::new(RouteTable::new(specs, &earlier, &self.shared.deciding)?);
        table.routes().iter().for_each(|route| route.activate());
        for new in table.backends().filter(|new| !is_in(new, &earlier)) {
            self.shared.deciding.runtime.spawn(backend::check(Arc::downgrade(new)));
        }
        self.shared.routes.store(table.clone());
        earlier.backends().filter(|old| !is_in(old, &table)).for_each(|old| old.remove());
        Ok(())
    }

    /// The routes as they were declared.
    pub fn routes(&self) -> Vec<RouteSpec> {
        self.shared.routes.load().routes().iter().map(|route| route.spec.clone()).collect()
    }

    /// Where a route's strategies are swapped; none: there is no such route. It stays while the route is declared.
    pub fn slot(&self, route: &str) -> Option<RoutingSlot> {
        let table = self.shared.routes.load();
        let route = table.routes().iter().find(|other| other.spec.name == route)?;
        Some(route.decider.slot().clone())
    }

    /// What every route and every backend has done and is.
    pub fn status(&self) -> Vec<RouteStatus> {
        let backend = |backend: &Arc<Backend>| BackendStatus {
            name: backend.name.clone(),
            number: backend.number,
            address: backend.address.clone(),
            healthy: backend.is_healthy(),
            figures: backend.figures(),
        };
        let table = self.shared.routes.load();
        let status = table.routes().iter().map(|route| RouteStatus {
            name: route.spec.name.clone(),
            figures: route.figures(),
            backends: route.members.iter().map(|member| backend(&member.backend)).collect(),
        });
        status.collect()
    }

    /// What the listener has seen.
    pub fn figures(&self) -> ListenerFigures {
        self.shared.counters.figures()
    }

    /// What it was made with.
    pub fn config(&self) -> &GatewayConfig {
        &self.shared.config
    }

    /// From now on no route may lead to this address, and none does.
    pub(crate) fn listens(&self, listener: SocketAddr) -> Result<(), GatewayError> {
        let mut listeners = self.shared.listeners.lock();
        refuse_itself(&self.routes(), listener)?;
        listeners.push(listener);
        Ok(())
    }

    pub(crate) fn listens_no_more(&self, listener: SocketAddr) {
        self.shared.listeners.lock().retain(|other| *other != listener);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.routes.load().backends().for_each(|backend| backend.remove());
    }
}

fn is_in(backend: &Arc<Backend>, table: &RouteTable) -> bool {
    table.backends().any(|other| Arc::ptr_eq(other, backend))
}

/// A name that leads here is not resolved: such a request is stopped by its hops.
fn refuse_itself(specs: &[RouteSpec], listener: SocketAddr) -> Result<(), GatewayError> {
    for route in specs {
        for backend in &route.backends {
            if is_same(&backend.address, listener) {
                return Err(GatewayError::Itself {
                    route: route.name.clone(),
                    backend: backend.name.clone(),
                    address: backend.address.clone(),
                    listener,
                });
            }
        }
    }
    Ok(())
}

fn is_same(address: &str, listener: SocketAddr) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    if port.parse() != Ok(listener.port()) {
        return false;
    }
    let listening = listener.ip().to_canonical();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => ip == listening || (listening.is_unspecified() && is_local(ip)),
        Err(_) => host.eq_ignore_ascii_case("localhost") && (listening.is_loopback() || listening.is_unspecified()),
    }
}

/// An address can be bound only where it is this machine's.
fn is_local(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(address: &str) -> RouteSpec {
        let text = format!(r#"{{"name":"r","backends":[{{"name":"a","address":"{address}"}}]}}"#);
        serde_json::from_str(&text).expect("a route")
    }

    #[tokio::test]
    async fn what_no_route_names_any_more_is_released() {
        let gateway = Gateway::new(&crate::decide::host_for_test(), GatewayConfig::default(), Handle::current());
        let mut earlier = Vec::new();
        for port in 1..50 {
            gateway.set_routes(vec![spec(&format!("127.0.0.1:{port}"))]).expect("a good route");
            tokio::task::yield_now().await;
            let table = gateway.shared.routes.load();
            earlier.extend(table.backends().map(Arc::downgrade));
        }
        let held = || earlier.iter().filter(|backend| backend.strong_count() > 0).count();
        let released = async {
            while held() > 1 {
                tokio::task::yield_now().await;
            }
            drop(gateway);
            while held() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), released).await.expect("they are released");
    }

    #[test]
    fn an_address_of_the_listener_is_known() {
        let check = |address: &str, listener: &str, expected: bool| {
            let listener = listener.parse().expect("an address");
            assert_eq!(is_same(address, listener), expected, "{address} {listener}");
        };
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("127.0.0.1:81", "127.0.0.1:80", false);
        check("127.0.0.2:80", "127.0.0.1:80", false);
        check("127.0.0.2:80", "0.0.0.0:80", true);
        check("localhost:80", "127.0.0.1:80", true);
        check("localhost:80", "[::]:80", true);
        check("[::1]:80", "[::1]:80", true);
        check("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true);
        check("192.0.2.7:80", "0.0.0.0:80", false);
        check("backend:80", "0.0.0.0:80", false);
    }
}
