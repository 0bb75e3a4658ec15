use wasmtime::{
    Store,
    component::{self, TypedFunc},
};

use super::{
    DELAY_MS_MAX, Event, Failure, Load, Placement, QueueView, REASON_BYTES_MAX, Resident, Retry, Task, Verdict,
};
use crate::{
    CallError, contract,
    functions::Functions,
    guest_state::{GuestState, inert_cut},
    instance::{CallClass, Instance},
};

type Submit = (u64, Task, QueueView, &'static [Event]);
type Failed = (u64, Task, Failure, &'static [Event]);

/// The functions of `switchyard:scheduling/scheduling@0.1.0` in one instance.
pub(crate) struct SchedulingCalls {
    submit: TypedFunc<Submit, (Verdict,)>,
    failed: TypedFunc<Failed, (Retry,)>,
    rank: TypedFunc<(u64, &'static [Task]), (Vec<f64>,)>,
    observe: TypedFunc<(u64, &'static [Event]), ()>,
    adopt: TypedFunc<(u64, &'static [Resident], bool), ()>,
    tick: TypedFunc<(u64, Load), ()>,
}

impl SchedulingCalls {
    pub(crate) fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self> {
        let mut functions = Functions::of(store, instance, contract::SCHEDULING)?;
        Ok(Self {
            submit: functions.find("submit")?,
            failed: functions.find("failed")?,
            rank: functions.find("rank")?,
            observe: functions.find("observe")?,
            adopt: functions.find("adopt")?,
            tick: functions.find("tick")?,
        })
    }
}

/// The hooks, each with its budget.
impl Instance<SchedulingCalls> {
    pub(crate) fn submit(
        &mut self,
        now_ms: u64,
        task: &Task,
        queue: QueueView,
        backlog: &[Event],
    ) -> Result<Verdict, CallError> {
        let (verdict,) =
            self.call(CallClass::Waited, |calls, store| calls.submit.call(store, (now_ms, *task, queue, backlog)))?;
        match verdict {
            Verdict::Accept(placement) => checked(placement).map(Verdict::Accept),
            Verdict::Refuse(reason) => Ok(Verdict::Refuse(inert_cut(&reason, REASON_BYTES_MAX))),
        }
    }

    pub(crate) fn failed(
        &mut self,
        now_ms: u64,
        task: &Task,
        failure: Failure,
        backlog: &[Event],
    ) -> Result<Retry, CallError> {
        let (retry,) =
            self.call(CallClass::Waited, |calls, store| calls.failed.call(store, (now_ms, *task, failure, backlog)))?;
        match retry {
            Retry::Again(placement) => checked(placement).map(Retry::Again),
            Retry::GiveUp => Ok(Retry::GiveUp),
        }
    }

    pub(crate) fn rank(&mut self, now_ms: u64, tasks: &[Task]) -> Result<Vec<f64>, CallError> {
        let (ranks,) = self.call(CallClass::Batched, |calls, store| calls.rank.call(store, (now_ms, tasks)))?;
        if ranks.len() != tasks.len() {
            return Err(CallError::InvalidResult(format!("{} ranks for {} tasks", ranks.len(), tasks.len())));
        }
        match ranks.iter().find(|rank| !rank.is_finite()) {
            Some(rank) => Err(CallError::InvalidResult(format!("the rank {rank} is not finite"))),
            None => Ok(ranks),
        }
    }

    pub(crate) fn observe(&mut self, now_ms: u64, events: &[Event]) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.observe.call(store, (now_ms, events)))
    }

    pub(crate) fn adopt(&mut self, now_ms: u64, residents: &[Resident], last: bool) -> Result<(), CallError> {
        self.call(CallClass::Lifecycle, |calls, store| calls.adopt.call(store, (now_ms, residents, last)))
    }

    pub(crate) fn tick(&mut self, now_ms: u64, load: Load) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.tick.call(store, (now_ms, load)))
    }
}

/// A rank that is not a number cannot be ordered, and a task that waits for a million years is lost.
fn checked(placement: Placement) -> Result<Placement, CallError> {
    let Placement { rank, delay_ms } = placement;
    if !rank.is_finite() {
        return Err(CallError::InvalidResult(format!("the rank {rank} is not finite")));
    }
    if delay_ms > DELAY_MS_MAX {
        return Err(CallError::InvalidResult(format!("a delay of {delay_ms} ms: at most {DELAY_MS_MAX}, a year")));
    }
    Ok(placement)
}
