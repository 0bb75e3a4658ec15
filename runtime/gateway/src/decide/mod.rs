//! What a route's strategy is asked and told.

mod ledger;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use http::{HeaderValue, Method};
use switchyard_host::{
    Host, KeyedHash, Upkeep,
    routing::{self, Candidate, Choice, Outcome, OutcomeKind, PATH_BYTES_MAX, RoutingSlot},
};
use tokio::runtime::Handle;

use crate::{clock::Clock, route::Member};
use ledger::Ledger;

/// What every route's decisions need.
#[derive(Clone)]
pub(crate) struct Deciding {
    pub(crate) host: Host,
    pub(crate) clock: Clock,
    pub(crate) runtime: Handle,
    pub(crate) hash: KeyedHash,
}

/// A route's slot and what its strategy is told. It stays while the route is declared, whatever changes about it.
pub(crate) struct Decider {
    slot: RoutingSlot,
    ledger: Arc<Ledger>,
    deciding: Deciding,
    next_shard: AtomicUsize,
    /// The strategy is about to be told the backends: what changes until then needs no second word.
    telling: AtomicBool,
}

/// What is known of a request when its backend is chosen.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The number of its client, the same for all requests of a connection.
    pub(crate) client: u64,
    pub(crate) affinity: Option<&'a HeaderValue>,
}

impl Decider {
    pub(crate) fn new(deciding: &Deciding) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let shards = cores.next_power_of_two();
        let ledger = Arc::new(Ledger::new(shards, deciding.clock));
        let table: Arc<dyn routing::RouteTable> = ledger.clone();
        let slot = RoutingSlot::new(&deciding.host, Arc::downgrade(&table), shards, Upkeep::Threads);
        Arc::new(Self {
            slot,
            ledger,
            deciding: deciding.clone(),
            next_shard: AtomicUsize::new(0),
            telling: AtomicBool::new(false),
        })
    }

    pub(crate) fn slot(&self) -> &RoutingSlot {
        &self.slot
    }

    /// Whether there is a strategy to ask: without one a request pays a load.
    pub(crate) fn is_active(&self) -> bool {
        self.slot.wants().batch > 0
    }

    /// The route has these backends now.
    pub(crate) fn set_backends(self: &Arc<Self>, members: &[Member]) {
        self.ledger.set_backends(members);
        self.backends_changed();
    }

    /// Tells the strategy, on another thread: that may wait for a swap.
    pub(crate) fn backends_changed(self: &Arc<Self>) {
        if self.is_active() && !self.telling.swap(true, Ordering::AcqRel) {
            let decider = Arc::clone(self);
            self.deciding.runtime.spawn_blocking(move || {
                // Before the backends are read: what changes from now on is told again.
                decider.telling.store(false, Ordering::Release);
                decider.slot.backends_changed();
            });
        }
    }

    /// Requests of one affinity always ask the same instance, others take turns.
    pub(crate) fn shard(&self, asked: &Asked<'_>) -> usize {
        let number = match asked.affinity {
            Some(affinity) => self.number(affinity.as_bytes()) as usize,
            None => self.next_shard.fetch_add(1, Ordering::Relaxed),
        };
        number & (self.ledger.shards() - 1)
    }

    /// Asks the strategy. `apply` gets none where the fallback decides.
    pub(crate) fn pick<R>(
        &self,
        shard: usize,
        asked: &Asked<'_>,
        candidates: &[Candidate],
        apply: impl FnOnce(Option<&Choice>) -> R,
    ) -> R {
        let request = routing::Request {
            path_id: self.number(asked.path.as_bytes()),
            client: asked.client,
            affinity: asked.affinity.map(|affinity| self.number(affinity.as_bytes())),
            method: method(asked.method),
            path: self.slot.wants().keys.then(|| cut(asked.path).to_owned()),
        };
        self.ledger.asked(shard);
        self.slot.pick(shard, self.deciding.clock.now_ms(), &request, candidates, apply)
    }

    /// A try has ended.
    pub(crate) fn ended(&self, shard: usize, backend: u32, kind: OutcomeKind, latency_us: u32) {
        let wants = self.slot.wants();
        if wants.batch == 0 {
            return;
        }
        let outcome = Outcome { backend, kind, latency_us };
        if self.ledger.ended(shard, outcome, wants.outcomes) >= wants.batch {
            self.slot.wake(shard);
        }
    }

    fn number(&self, bytes: &[u8]) -> u64 {
        self.deciding.hash.of(bytes)
    }
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decider").finish_non_exhaustive()
    }
}

/// What of a path crosses: whole characters, because it crosses as text.
fn cut(path: &str) -> &str {
    path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default()
}

fn method(method: &Method) -> routing::Method {
    match *method {
        Method::GET => routing::Method::Get,
        Method::HEAD => routing::Method::Head,
        Method::POST => routing::Method::Post,
        Method::PUT => routing::Method::Put,
        Method::DELETE => routing::Method::Delete,
        Method::PATCH => routing::Method::Patch,
        Method::OPTIONS => routing::Method::Options,
        _ => routing::Method::Other,
    }
}

#[cfg(test)]
pub(crate) fn host_for_test() -> Host {
    Host::new(switchyard_host::HostConfig::new(switchyard_host::Compiler::InProcess)).expect("a host")
}

#[cfg(test)]
pub(crate) fn deciding_for_test() -> Deciding {
    static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> =
        std::sync::LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    static HOST: std::sync::LazyLock<Host> = std::sync::LazyLock::new(host_for_test);
    Deciding { host: HOST.clone(), clock: Clock::new(), runtime: RUNTIME.handle().clone(), hash: KeyedHash::random() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_cut_between_two_characters() {
        let check = |path: &str, bytes: usize| assert_eq!(cut(path).len(), bytes);
        check("/short", 6);
        check(&"/".repeat(PATH_BYTES_MAX), PATH_BYTES_MAX);
        check(&"/".repeat(PATH_BYTES_MAX + 1), PATH_BYTES_MAX);
        check(&"é".repeat(PATH_BYTES_MAX), PATH_BYTES_MAX);
        check(&format!("/{}", "é".repeat(PATH_BYTES_MAX)), PATH_BYTES_MAX - 1);
    }
}
