use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, atomic::AtomicBool},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use switchyard_host::{Host, routing::RoutingSlot};
use switchyard_types::{
    RouteName,
    route::{BackendSpec, DeclaredRoute, RouteSpec},
};
use tokio::runtime::Handle;

use crate::{
    BackendStatus, GatewayConfig, GatewayError, GatewaySlot, ListenerFigures, RouteStatus,
    backend::{self, Backend},
    clock::Clock,
    decide::Deciding,
    figures::ListenerCounters,
    route::{Route, RouteTable},
    together::Together,
    totals::{Departed, Totals},
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
    pub(crate) deciding: Deciding,
    /// Held while the strategy or the routes are changed, so that changes come one after the other. That may take as long as
    /// instances need to start.
    pub(crate) changing: Mutex<()>,
    /// What decides for all routes; changed by whoever holds `changing`.
    pub(crate) together: Mutex<Together>,
    /// It has been said that not all routes and backends have figures of their own.
    pub(crate) unshown_said: AtomicBool,
    /// Where the gateway listens; held for moments, after `changing`.
    listeners: Mutex<Vec<SocketAddr>>,
    /// What routes have done that are gone; held while a set takes the place of another, so that a route is never counted
    /// twice or not at all.
    departed: Mutex<Departed>,
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
        let deciding = Deciding { host: host.clone(), clock, runtime, hash: config.hash };
        let (changing, together, unshown_said, listeners, departed) = Default::default();
        let shared =
            Shared { config, routes, counters, clock, deciding, changing, together, unshown_said, listeners, departed };
        Self { shared: Arc::new(shared) }
    }

    /// Puts a new set of routes in the place of the current one. Requests keep the set that they began with; backends that
    /// are the same (route, name, address, protocol) keep their connections, health and figures; the others end what they
    /// do and get nothing new. A new route begins with the strategy that decides for the others, or with the fallback where
    /// that does not start. If anything is wrong with one route nothing is changed. Blocks while instances for new routes
    /// start.
    pub fn set_routes(&self, declared: Vec<DeclaredRoute>) -> Result<(), GatewayError> {
        let shared = &self.shared;
        let _changing = shared.changing.lock();
        shared.listeners.lock().iter().try_for_each(|listener| refuse_itself(&declared, *listener))?;
        let earlier = shared.routes.load_full();
        let table = Arc::new(RouteTable::new(declared, &earlier, &shared.deciding)?);
        for new in table.routes().iter().filter(|route| earlier.get(&route.name).is_none()) {
            // Before its strategy starts: that is told which backends there are.
            new.activate();
            shared.align(new);
        }
        let listeners = shared.listeners.lock();
        // Again: the gateway may have begun to listen meanwhile.
        listeners.iter().try_for_each(|listener| refuse_itself_in(&table, *listener))?;
        table.routes().iter().for_each(|route| route.activate());
        let (before, now) = (places(&earlier), places(&table));
        for new in table.backends().filter(|new| !before.contains(&Arc::as_ptr(new))) {
            shared.deciding.runtime.spawn(backend::check(Arc::downgrade(new)));
        }
        shared.replace(&earlier, &table);
        earlier.backends().filter(|old| !now.contains(&Arc::as_ptr(old))).for_each(|old| old.remove());
        Ok(())
    }

    /// The routes as they were declared.
    pub fn routes(&self) -> Vec<DeclaredRoute> {
        let table = self.shared.routes.load();
        let declared = |route: &Arc<Route>| DeclaredRoute { name: route.name.clone(), spec: route.spec.clone() };
        table.routes().iter().map(declared).collect()
    }

    /// The decisions of all routes as one slot: whoever swaps a strategy there swaps it in every route.
    pub fn whole(&self) -> GatewaySlot {
        GatewaySlot::new(self.clone())
    }

    /// Where one route's decisions are made; none: there is no such route. It stays while the route is declared.
    pub fn slot(&self, route: &str) -> Option<RoutingSlot> {
        let table = self.shared.routes.load();
        let route = table.routes().iter().find(|other| other.name.as_str() == route)?;
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
            name: route.name.clone(),
            figures: route.counters.figures(),
            recent: route.recent(self.shared.clock.now_ms()),
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

    /// What all routes together have done, also those that are gone.
    pub(crate) fn totals(&self) -> Totals {
        let mut departed = self.shared.departed.lock();
        departed.totals(self.shared.routes.load().routes())
    }

    /// From now on no route may lead to this address, and none does.
    pub(crate) fn listens(&self, listener: SocketAddr) -> Result<(), GatewayError> {
        let mut listeners = self.shared.listeners.lock();
        refuse_itself_in(&self.shared.routes.load(), listener)?;
        listeners.push(listener);
        Ok(())
    }

    pub(crate) fn listens_no_more(&self, listener: SocketAddr) {
        self.shared.listeners.lock().retain(|other| *other != listener);
    }
}

impl Shared {
    fn replace(&self, earlier: &RouteTable, table: &Arc<RouteTable>) {
        let mut departed = self.departed.lock();
        self.routes.store(Arc::clone(table));
        earlier.routes().iter().filter(|route| table.get(&route.name).is_none()).for_each(|route| departed.add(route));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.routes.load().backends().for_each(|backend| backend.remove());
    }
}

/// Where its backends lie: what makes a backend the same.
fn places(table: &RouteTable) -> HashSet<*const Backend> {
    table.backends().map(Arc::as_ptr).collect()
}

/// A name that leads here is not resolved: such a request is stopped by its hops.
fn refuse_itself(declared: &[DeclaredRoute], listener: SocketAddr) -> Result<(), GatewayError> {
    declared.iter().try_for_each(|route| leads_elsewhere(&route.name, &route.spec, listener))
}

fn refuse_itself_in(table: &RouteTable, listener: SocketAddr) -> Result<(), GatewayError> {
    table.routes().iter().try_for_each(|route| leads_elsewhere(&route.name, &route.spec, listener))
}

fn leads_elsewhere(route: &RouteName, spec: &RouteSpec, listener: SocketAddr) -> Result<(), GatewayError> {
    match spec.backends.iter().find(|backend| is_same(&backend.address, listener)) {
        None => Ok(()),
        Some(BackendSpec { name, address, .. }) => Err(GatewayError::Itself {
            route: route.clone(),
            backend: name.clone(),
            address: address.clone(),
            listener,
        }),
    }
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

    fn spec(address: &str) -> DeclaredRoute {
        let text = format!(r#"{{"backends":[{{"name":"a","address":"{address}"}}]}}"#);
        DeclaredRoute { name: "r".parse().expect("a name"), spec: serde_json::from_str(&text).expect("a route") }
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

    #[tokio::test]
    async fn what_has_no_figures_of_its_own_is_counted() {
        let gateway = Gateway::new(&crate::decide::host_for_test(), GatewayConfig::default(), Handle::current());
        let many = (0..70).map(|number| {
            let one = spec("127.0.0.1:1");
            let spec = RouteSpec { path_prefix: format!("/{number}"), ..one.spec };
            DeclaredRoute { name: format!("r{number}").parse().expect("a name"), spec }
        });
        gateway.set_routes(many.collect()).expect("good routes");
        let figures = gateway.list();
        let number = |name: &str| figures.iter().find(|figure| figure.name == name).and_then(|figure| figure.number());
        assert_eq!((number("gateway.routes_unshown"), number("gateway.backends_unshown")), (Some(6.0), Some(6.0)));
        assert_eq!(figures.iter().filter(|figure| figure.name == "gateway.backend.healthy").count(), 64);
    }

    #[tokio::test]
    async fn figures_wait_for_no_staging() {
        let gateway = Gateway::new(&crate::decide::host_for_test(), GatewayConfig::default(), Handle::current());
        gateway.set_routes(vec![spec("127.0.0.1:1")]).expect("a good route");
        let _staging = gateway.shared.changing.lock();
        assert_eq!(switchyard_host::StrategySlot::figures(&gateway.whole()).flips, 0);
        assert!(!gateway.list().is_empty() && gateway.status().len() == 1);
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
