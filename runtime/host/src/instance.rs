use std::sync::Arc;

use switchyard_types::{Limits, Stage};
use wasmtime::{Store, Trap, UpdateDeadline, component::InstancePre};

use crate::{
    CallError, HostError,
    bindings::EveryPluginIndices,
    bindings::Lifecycle,
    gauges::{Counters, InstanceGuard},
    guest_state::{GuestState, inert},
    meter::Stop,
    pool::Places,
    ticker::Ticker,
};

/// Bytes that one crossing in a hook may make the host copy unless its contract allows a larger answer: 1,024 victims many
/// times over, or a long line for the log, which is cut only after it has crossed.
const HOOK_COPIED_BYTES_MAX: usize = 1 << 20;
/// Bytes that one answer of a lifecycle hook may make the host copy: exported state, schemas.
const LIFECYCLE_COPIED_BYTES_MAX: usize = 4 << 20;

/// Which of the budgets a call has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallClass {
    /// A caller waits.
    Waited,
    /// Batched, on a policy thread.
    Batched,
    /// Describe, configure, resize, export, import, adopt.
    Lifecycle,
}

/// What instances are made from: a linked component and where its instances are counted.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) name: Arc<str>,
    pub(crate) pre: InstancePre<GuestState>,
    pub(crate) lifecycle: Arc<EveryPluginIndices>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) places: Arc<Places>,
    pub(crate) ticker: Ticker,
}

impl Template {
    /// What an instance may take that only says what it is.
    pub(crate) fn limits(&self) -> Limits {
        Limits { memory_bytes: self.places.class.memory_bytes_max(), ..Limits::DEFAULT }
    }
}

/// One instance of a plugin: its store, its budgets and the functions of its kind. After a failed call it must be thrown
/// away: the component model does not let it be entered again, and nobody knows what state it is in.
pub(crate) struct Instance<Exports> {
    store: Store<GuestState>,
    lifecycle: Lifecycle,
    pub(crate) exports: Exports,
    limits: Limits,
    ticker: Ticker,
}

impl<Exports> Instance<Exports> {
    /// Instantiates; code that runs in `start` has the lifecycle budget.
    pub(crate) fn new(
        template: &Template,
        limits: Limits,
        exports: impl FnOnce(&mut Store<GuestState>, &wasmtime::component::Instance) -> wasmtime::Result<Exports>,
    ) -> Result<Self, HostError> {
        let guard =
            InstanceGuard::take(&template.counters, &template.places).ok_or_else(|| template.places.exhausted())?;
        let state = GuestState::new(Arc::clone(&template.name), limits.memory_bytes, guard);
        let mut store = Store::new(template.pre.engine(), state);
        store.limiter(|state| &mut state.memory);
        let ticker = template.ticker.clone();
        store.epoch_deadline_callback(move |mut context| {
            // A call that goes on is one call to the ticker too: it must not think that nobody runs.
            ticker.notice_call();
            match context.data_mut().meter.tick() {
                None => Ok(UpdateDeadline::Continue(1)),
                Some(_) => Ok(UpdateDeadline::Interrupt),
            }
        });
        store.data_mut().meter.begin(limits.lifecycle_call_us);
        store.set_epoch_deadline(1);
        template.ticker.notice_call();
        let bound = template.pre.instantiate(&mut store).and_then(|instance| {
            let lifecycle = template.lifecycle.load(&mut store, &instance)?;
            let exports = exports(&mut store, &instance)?;
            Ok((lifecycle.switchyard_lifecycle_lifecycle().clone(), exports))
        });
        match bound {
            Ok((lifecycle, exports)) => Ok(Self { store, lifecycle, exports, limits, ticker: template.ticker.clone() }),
            Err(error) => Err(HostError::Call { stage: Stage::Configure, source: classify(&error, store.data()) }),
        }
    }

    /// Calls into the guest. Everything a call needs is set here and nowhere else: budget, deadline, copy bound.
    #[inline]
    pub(crate) fn call<R>(
        &mut self,
        class: CallClass,
        call: impl FnOnce(&Exports, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        self.call_copying(class, HOOK_COPIED_BYTES_MAX, call)
    }

    /// The same for a hook whose contract allows an answer of more bytes than others have: whoever keeps to the contract is
    /// never cut off by the bound of the host.
    #[inline]
    pub(crate) fn call_copying<R>(
        &mut self,
        class: CallClass,
        hook_bytes_max: usize,
        call: impl FnOnce(&Exports, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        self.prepare(class, hook_bytes_max);
        call(&self.exports, &mut self.store).map_err(|error| classify(&error, self.store.data()))
    }

    fn lifecycle<R>(
        &mut self,
        call: impl FnOnce(&Lifecycle, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        self.prepare(CallClass::Lifecycle, HOOK_COPIED_BYTES_MAX);
        call(&self.lifecycle, &mut self.store).map_err(|error| classify(&error, self.store.data()))
    }

    #[inline]
    fn prepare(&mut self, class: CallClass, hook_bytes_max: usize) {
        let (budget_us, copied_bytes) = match class {
            CallClass::Waited => (self.limits.waited_call_us, hook_bytes_max),
            CallClass::Batched => (self.limits.batched_call_us, hook_bytes_max),
            CallClass::Lifecycle => (self.limits.lifecycle_call_us, LIFECYCLE_COPIED_BYTES_MAX),
        };
        self.store.set_hostcall_fuel(copied_bytes);
        self.store.set_epoch_deadline(1);
        let state = self.store.data_mut();
        state.meter.begin(budget_us);
        state.memory.denied = false;
        self.ticker.notice_call();
    }

    pub(crate) fn describe(&mut self) -> Result<crate::bindings::Description, CallError> {
        self.lifecycle(|lifecycle, store| lifecycle.call_describe(store))
    }

    pub(crate) fn configure(&mut self, configuration: &str, seed: u64) -> Result<(), CallError> {
        self.lifecycle(|lifecycle, store| lifecycle.call_configure(store, configuration, seed))?
            .map_err(|reason| CallError::Rejected(inert(&reason)))
    }

    pub(crate) fn export_state(&mut self) -> Result<Vec<u8>, CallError> {
        self.lifecycle(|lifecycle, store| lifecycle.call_export_state(store))
    }

    pub(crate) fn import_state(&mut self, format: &str, bytes: &[u8]) -> Result<(), CallError> {
        self.lifecycle(|lifecycle, store| lifecycle.call_import_state(store, format, bytes))?
            .map_err(|reason| CallError::Rejected(inert(&reason)))
    }

    /// Declares how many counters and gauges the plugin has.
    pub(crate) fn declare_metrics(&mut self, counters: usize, gauges: usize) {
        self.store.data_mut().metrics.declare(counters, gauges);
    }

    pub(crate) fn state(&self) -> &GuestState {
        self.store.data()
    }
}

/// Tells the causes of a failed call apart, by type. A failure that is neither a trap nor a limit came while the answer
/// was lifted: it was not valid.
fn classify(error: &wasmtime::Error, state: &GuestState) -> CallError {
    let meter = &state.meter;
    if let Some(stop) = meter.stopped() {
        return match stop {
            Stop::Budget => CallError::BudgetExceeded { budget_us: meter.budget_us() },
            Stop::Starved => CallError::Starved { wall_us: meter.wall_cap_us() },
        };
    }
    match error.downcast_ref::<Trap>() {
        _ if state.memory.denied => CallError::OutOfMemory { limit_bytes: state.memory.limit_bytes },
        Some(trap) => CallError::Trap(trap.to_string()),
        None => CallError::InvalidResult(error.root_cause().to_string()),
    }
}
