use wasmtime::{
    Store,
    component::{self, TypedFunc},
};

use super::{Backend, Candidate, Choice, Load, ORDER_MAX, Outcome, Request, Resident};
use crate::{
    CallError, contract,
    functions::Functions,
    guest_state::GuestState,
    instance::{CallClass, Instance},
};

type Pick = (u64, &'static Request, &'static [Candidate], &'static [Outcome]);

/// The functions of `switchyard:routing/routing@0.1.0` in one instance.
pub(crate) struct RoutingCalls {
    backends: TypedFunc<(u64, &'static [Backend]), ()>,
    pick: TypedFunc<Pick, (Choice,)>,
    observe: TypedFunc<(u64, &'static [Outcome]), ()>,
    adopt: TypedFunc<(u64, &'static [Resident], bool), ()>,
    tick: TypedFunc<(u64, Load), ()>,
}

impl RoutingCalls {
    pub(crate) fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self> {
        let mut functions = Functions::of(store, instance, contract::ROUTING)?;
        Ok(Self {
            backends: functions.find("backends")?,
            pick: functions.find("pick")?,
            observe: functions.find("observe")?,
            adopt: functions.find("adopt")?,
            tick: functions.find("tick")?,
        })
    }
}

/// The hooks, each with its budget.
impl Instance<RoutingCalls> {
    pub(crate) fn backends(&mut self, now_ms: u64, backends: &[Backend]) -> Result<(), CallError> {
        // Also with a live shard locked, whenever a backend changes its health.
        self.call(CallClass::Batched, |calls, store| calls.backends.call(store, (now_ms, backends)))
    }

    #[inline]
    pub(crate) fn pick(
        &mut self,
        now_ms: u64,
        request: &Request,
        candidates: &[Candidate],
        backlog: &[Outcome],
    ) -> Result<Choice, CallError> {
        let (choice,) = self
            .call(CallClass::Waited, |calls, store| calls.pick.call(store, (now_ms, request, candidates, backlog)))?;
        checked(choice)
    }

    pub(crate) fn observe(&mut self, now_ms: u64, outcomes: &[Outcome]) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.observe.call(store, (now_ms, outcomes)))
    }

    pub(crate) fn adopt(&mut self, now_ms: u64, residents: &[Resident], last: bool) -> Result<(), CallError> {
        self.call(CallClass::Lifecycle, |calls, store| calls.adopt.call(store, (now_ms, residents, last)))
    }

    pub(crate) fn tick(&mut self, now_ms: u64, load: Load) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.tick.call(store, (now_ms, load)))
    }
}

fn checked(choice: Choice) -> Result<Choice, CallError> {
    let invalid = |reason: String| Err(CallError::InvalidResult(reason));
    match &choice {
        Choice::Order(order) if order.is_empty() => invalid("an order of no backend".into()),
        Choice::Order(order) if order.len() > ORDER_MAX => {
            invalid(format!("an order of {} backends: at most {ORDER_MAX} are taken", order.len()))
        }
        Choice::Refuse(status) if !(400..=599).contains(status) => {
            invalid(format!("a refusal with the status {status}: expected 400 to 599"))
        }
        _ => Ok(choice),
    }
}
