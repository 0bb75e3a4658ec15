//! What the integration tests share: a gateway that serves, backends that behave and backends that do not, and a client
//! that sees every byte.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its part")]

pub mod backend;
pub mod raw;

use std::{future::Future, net::SocketAddr, sync::LazyLock, time::Duration};

use switchyard_gateway::{BackendStatus, Gateway, GatewayConfig, GatewayError, GatewayService, RouteStatus};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_types::{
    NodeSelector,
    route::{BackendSpec, DeclaredRoute, HealthSpec, Protocol, RetrySpec, RouteLimits, RouteSpec, TimeoutSpec},
};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway behind its listener.
pub struct Serving {
    pub gateway: Gateway,
    pub address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<Result<(), GatewayError>>,
}

impl Serving {
    pub async fn start(routes: Vec<RouteSpec>) -> Self {
        Self::configured(GatewayConfig::default(), routes).await
    }

    pub async fn configured(config: GatewayConfig, routes: Vec<RouteSpec>) -> Self {
        let gateway = Gateway::new(&host(), config, Handle::current());
        gateway.set_routes(named(routes)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = GatewayService::new(gateway.clone(), listener).unwrap();
        let (address, stop) = (service.address(), CancellationToken::new());
        let served = tokio::spawn(service.run(stop.clone()));
        Self { gateway, address, stop, served }
    }

    pub async fn client(&self) -> raw::Client {
        raw::Client::connect(self.address).await
    }

    pub fn route(&self, name: &str) -> RouteStatus {
        self.gateway.status().into_iter().find(|route| route.name.as_str() == name).expect("a route of this name")
    }

    pub fn backend(&self, name: &str) -> BackendStatus {
        let backends = self.gateway.status().into_iter().flat_map(|route| route.backends);
        backends.into_iter().find(|backend| backend.name == name).expect("a backend of this name")
    }

    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stopped(self) {
        self.stop.cancel();
        within(self.served).await.unwrap().unwrap();
    }
}

/// One for all tests of a process: each has a pool of memories.
pub fn host() -> Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(HostConfig::new(Compiler::InProcess)).expect("a host"));
    HOST.clone()
}

/// A route that takes everything, with these backends.
pub fn route(backends: &[(&str, SocketAddr)]) -> RouteSpec {
    let backend = |(name, address): &(&str, SocketAddr)| BackendSpec {
        name: (*name).to_owned(),
        address: address.to_string(),
        weight: 1,
    };
    RouteSpec {
        selector: NodeSelector::default(),
        cohort: Default::default(),
        hosts: Vec::new(),
        path_prefix: "/".to_owned(),
        backends: backends.iter().map(backend).collect(),
        protocol: Protocol::Http1,
        health: HealthSpec::default(),
        timeouts: TimeoutSpec::default(),
        retry: RetrySpec::default(),
        affinity_header: None,
        limits: RouteLimits::default(),
    }
}

/// Routes by their place: the first is `all`.
pub fn named(specs: Vec<RouteSpec>) -> Vec<DeclaredRoute> {
    let name = |place: usize| if place == 0 { "all".to_owned() } else { format!("other-{place}") };
    let declared = |(place, spec): (usize, RouteSpec)| DeclaredRoute { name: name(place).parse().unwrap(), spec };
    specs.into_iter().enumerate().map(declared).collect()
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Fails where something takes too long.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Waits until something is so.
pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "it never came to this: {what}");
}
