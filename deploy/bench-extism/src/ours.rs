use std::sync::{Arc, Weak};

use anyhow::{Result, bail};
use serde_json::json;
use switchyard_host::{
    Compiler, Host, HostConfig, Strategy, Upkeep,
    routing::{Backend, Choice, Load, Outcome, Resident, RouteTable, RoutingSlot},
};
use switchyard_types::Limits;

use crate::{
    decider::{Decider, Order, order},
    question::{BACKENDS, Question, weights},
};

/// The path that ends in a trap; `guests/trapping` has it too.
const TRAP_PATH_ID: u64 = 0x7472_6170;

/// A route as its strategy sees it, without anything that happens beside a decision.
struct Route;

impl RouteTable for Route {
    fn now_ms(&self) -> u64 {
        0
    }
    fn backends(&self, into: &mut Vec<Backend>) {
        into.extend(weights().map(|(backend, weight)| Backend { backend, weight, healthy: true }));
    }
    fn drain(&self, _: usize, _: usize, _: &mut Vec<Outcome>) {}
    fn residents(&self, into: &mut Vec<Resident>) {
        into.extend((0..BACKENDS).map(|backend| Resident { backend, in_flight: 0, latency_us: 0 }));
    }
    fn load(&self, _: usize) -> Load {
        Load::default()
    }
}

/// A slot of the host, made and asked as the gateway does it: with the limits that a strategy gets when it asks for none.
pub(crate) struct Ours {
    slot: RoutingSlot,
    strategy: Strategy,
    #[expect(dead_code, reason = "the slot has a weak reference to it")]
    route: Arc<Route>,
}

impl Ours {
    pub(crate) fn new(component: &[u8]) -> Result<Self> {
        Self::with_upkeep(component, Upkeep::Threads)
    }

    /// One that replaces its own instances on the calling thread, where that can be measured.
    pub(crate) fn with_upkeep(component: &[u8], upkeep: Upkeep) -> Result<Self> {
        let host = host()?;
        let strategy = host.load(component)?.strategy(&json!({}), Limits::DEFAULT)?;
        let route = Arc::new(Route);
        let weak: Weak<Route> = Arc::downgrade(&route);
        let slot = RoutingSlot::new(&host, weak, 1, upkeep);
        slot.swap(&strategy, 1)?;
        Ok(Self { slot, strategy, route })
    }

    /// Gives up the instance; the fallback decides.
    pub(crate) fn clear(&self) {
        self.slot.clear();
    }

    /// A new instance, told the route and deciding.
    pub(crate) fn swap(&self) -> Result<()> {
        self.slot.swap(&self.strategy, 1)?;
        Ok(())
    }

    /// Asks what traps; where the caller does the upkeep, the next instance decides when this returns.
    pub(crate) fn trap(&self, question: &Question) -> Result<()> {
        let request = switchyard_host::routing::Request { path_id: TRAP_PATH_ID, ..question.request.clone() };
        let answered = self.slot.pick(0, question.now_ms, &request, &question.candidates, |choice| choice.is_some());
        if answered {
            bail!("the trapping plugin has answered");
        }
        Ok(())
    }
}

/// A host that compiles in this process: what is compiled here is trusted.
pub(crate) fn host() -> Result<Host> {
    Ok(Host::new(HostConfig::new(Compiler::InProcess))?)
}

impl Decider for Ours {
    fn name(&self) -> &'static str {
        "Switchyard's host"
    }

    fn decide(&mut self, question: &Question) -> Result<Order> {
        let read = |choice: Option<&Choice>| match choice {
            Some(Choice::Order(backends)) => order(backends),
            Some(Choice::Refuse(status)) => bail!("a refusal with {status}"),
            None => bail!("the fallback has decided"),
        };
        self.slot.pick(0, question.now_ms, &question.request, &question.candidates, read)
    }
}
