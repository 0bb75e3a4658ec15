use wasmtime::{
    Store,
    component::{self, ComponentType, Lift, Lower, TypedFunc, flags},
};

use super::{Budget, Decision, Entry, Event, Load, Resident, VICTIMS_MAX};
use crate::{
    CallError, contract,
    functions::Functions,
    guest_state::GuestState,
    instance::{CallClass, Instance},
};

type Func<Parameters, Result> = TypedFunc<Parameters, Result>;

/// The functions of `switchyard:caching/caching@0.1.0` in one instance.
pub(crate) struct CachingCalls {
    resize: Func<(Budget,), ()>,
    store: Func<(u64, &'static Entry, &'static [Event]), (WitDecision,)>,
    observe: Func<(u64, &'static [Event]), ()>,
    adopt: Func<(u64, &'static [WitResident], bool), ()>,
    tick: Func<(u64, WitLoad), ()>,
}

flags! {
    WitTiers {
        #[component(name = "memory")]
        const MEMORY;
        #[component(name = "remote")]
        const REMOTE;
        #[component(name = "disk")]
        const DISK;
    }
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
struct WitDecision {
    admit: bool,
    tiers: WitTiers,
    #[component(name = "ttl-ms")]
    ttl_ms: Option<u64>,
    compress: bool,
    victims: Vec<u64>,
}

#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct WitResident {
    id: u64,
    namespace: u32,
    size: u32,
    #[component(name = "ttl-ms")]
    ttl_ms: Option<u64>,
    hits: u32,
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct WitLoad {
    requests: u64,
    hits: u64,
    entries: u64,
    used: u64,
}

impl CachingCalls {
    pub(crate) fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self> {
        let mut functions = Functions::of(store, instance, contract::CACHING)?;
        Ok(Self {
            resize: functions.find("resize")?,
            store: functions.find("store")?,
            observe: functions.find("observe")?,
            adopt: functions.find("adopt")?,
            tick: functions.find("tick")?,
        })
    }
}

/// The hooks, each with its budget.
impl Instance<CachingCalls> {
    /// A plugin may build its tables here, so it has the budget of a lifecycle hook: nobody waits for a new instance, and
    /// a live one is resized when an operator says so.
    pub(crate) fn resize(&mut self, budget: Budget) -> Result<(), CallError> {
        self.call(CallClass::Lifecycle, |calls, store| calls.resize.call(store, (budget,)))
    }

    #[inline]
    pub(crate) fn store(&mut self, now_ms: u64, entry: &Entry, backlog: &[Event]) -> Result<Decision, CallError> {
        let (decision,) =
            self.call(CallClass::Waited, |calls, store| calls.store.call(store, (now_ms, entry, backlog)))?;
        checked(decision, entry)
    }

    pub(crate) fn observe(&mut self, now_ms: u64, events: &[Event]) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.observe.call(store, (now_ms, events)))
    }

    pub(crate) fn adopt(&mut self, now_ms: u64, residents: &[Resident], last: bool) -> Result<(), CallError> {
        let residents: Vec<_> = residents.iter().map(WitResident::from).collect();
        self.call(CallClass::Lifecycle, |calls, store| calls.adopt.call(store, (now_ms, &residents[..], last)))
    }

    pub(crate) fn tick(&mut self, now_ms: u64, load: Load) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.tick.call(store, (now_ms, load.into())))
    }
}

/// A time to live can only be shortened: what a client asked for is a promise to it.
fn checked(decision: WitDecision, entry: &Entry) -> Result<Decision, CallError> {
    if decision.victims.len() > VICTIMS_MAX {
        return Err(CallError::InvalidResult(format!(
            "{} victims: at most {VICTIMS_MAX} are taken",
            decision.victims.len()
        )));
    }
    let ttl_ms = decision.ttl_ms.filter(|wanted| entry.ttl_ms.is_none_or(|asked| *wanted < asked));
    Ok(Decision {
        admit: decision.admit,
        memory: decision.tiers & WitTiers::MEMORY == WitTiers::MEMORY,
        ttl_ms,
        compress: decision.compress,
        victims: decision.victims,
    })
}

impl From<&Resident> for WitResident {
    fn from(resident: &Resident) -> Self {
        Self {
            id: resident.id,
            namespace: resident.namespace,
            size: resident.size,
            ttl_ms: resident.ttl_ms,
            hits: resident.hits,
        }
    }
}

impl From<Load> for WitLoad {
    fn from(load: Load) -> Self {
        Self { requests: load.requests, hits: load.hits, entries: load.entries, used: load.used }
    }
}
