//! One backend of one route: its health, its connections and what it has done.

mod connect;
mod failure;
mod figures;
mod flight;
mod h2;
mod health;
mod http1;
mod latency;
mod pool;
mod upgrade;

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use switchyard_types::route::{BackendSpec, HealthSpec, Protocol, RouteSpec};
use tokio_util::sync::CancellationToken;

pub(crate) use failure::Failure;
pub(crate) use flight::Flight;
pub(crate) use h2::send as send_h2;
pub(crate) use health::check;
pub(crate) use http1::Http1;
pub(crate) use upgrade::{send_upgradable, upgradable};

use crate::{clock::Clock, decide::Decider};
use connect::Target;
use figures::Counters;
use h2::Multiplexed;
use latency::RecentLatency;
use pool::Pool;

/// Connections in a row that could not be opened until a backend counts as unhealthy before a check says so.
const CONNECT_ERRORS_MAX: u32 = 3;

/// A backend. It lives as long as a set of routes or a request holds it.
pub(crate) struct Backend {
    pub(crate) name: String,
    /// Stable as long as the route declares it; what a strategy calls it by.
    pub(crate) number: u32,
    pub(crate) address: String,
    pub(crate) protocol: Protocol,
    pub(crate) counters: Counters,
    pub(crate) latency: RecentLatency,
    target: Target,
    pool: Pool,
    multiplexed: Multiplexed,
    healthy: AtomicBool,
    connect_errors: AtomicU32,
    health: Mutex<HealthSpec>,
    idle_ms: AtomicU64,
    connections_max: AtomicU64,
    clock: Clock,
    /// Hears when its health changes.
    decider: Weak<Decider>,
    /// Ends its checks and closes its unused connections.
    pub(crate) removed: CancellationToken,
}

impl Backend {
    pub(crate) fn new(
        route: &RouteSpec,
        spec: &BackendSpec,
        number: u32,
        decider: &Arc<Decider>,
        clock: Clock,
    ) -> Self {
        Self {
            name: spec.name.clone(),
            number,
            address: spec.address.clone(),
            protocol: route.protocol,
            counters: Counters::default(),
            latency: RecentLatency::default(),
            target: Target::new(&spec.address),
            pool: Pool::default(),
            multiplexed: Multiplexed::default(),
            // Nothing speaks against it yet: a route that waits for the first check refuses what could be answered.
            healthy: AtomicBool::new(true),
            connect_errors: AtomicU32::new(0),
            health: Mutex::new(route.health.clone()),
            idle_ms: AtomicU64::new(route.timeouts.idle_ms),
            connections_max: AtomicU64::new(u64::from(route.limits.connections_max)),
            clock,
            decider: Arc::downgrade(decider),
            removed: CancellationToken::new(),
        }
    }

    /// Whether it is the same one, with its connections, in a new set of routes.
    pub(crate) fn is(&self, route: &RouteSpec, spec: &BackendSpec) -> bool {
        self.name == spec.name && self.address == spec.address && self.protocol == route.protocol
    }

    /// Takes over what a new set of routes says.
    pub(crate) fn set(&self, route: &RouteSpec) {
        *self.health.lock() = route.health.clone();
        self.idle_ms.store(route.timeouts.idle_ms, Ordering::Relaxed);
        self.connections_max.store(u64::from(route.limits.connections_max), Ordering::Relaxed);
        self.pool.set_idle_max(route.limits.idle_connections_max);
    }

    /// No set of routes names it any more: what it does is ended, nothing new begins.
    pub(crate) fn remove(&self) {
        self.removed.cancel();
        self.pool.close();
        self.multiplexed.close();
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Requests that it may have at once.
    pub(crate) fn connections_max(&self) -> u64 {
        self.connections_max.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.counters.in_flight.get()).unwrap_or(u32::MAX)
    }

    fn set_healthy(&self, healthy: bool, why: &str) {
        if self.healthy.swap(healthy, Ordering::Relaxed) == healthy {
            return;
        }
        if healthy {
            tracing::info!(backend = self.name, address = self.address, why, "a backend is healthy again");
            self.connect_errors.store(0, Ordering::Relaxed);
        } else {
            tracing::warn!(backend = self.name, address = self.address, why, "a backend is unhealthy");
            self.counters.ejections.one();
            // Whatever is wrong, the next request shall not find it out on what is left of a connection.
            self.pool.clear();
            self.multiplexed.close();
        }
        if let Some(decider) = self.decider.upgrade() {
            decider.backends_changed();
        }
    }

    /// A connection could not be opened: a few in a row say it before the next check does.
    pub(crate) fn connect_failed(&self) {
        self.counters.connect_errors.one();
        if self.connect_errors.fetch_add(1, Ordering::Relaxed) + 1 >= CONNECT_ERRORS_MAX {
            self.set_healthy(false, "connections cannot be opened");
        }
    }

    pub(crate) fn connected(&self) {
        self.counters.connections_opened.one();
        self.connect_errors.store(0, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}
