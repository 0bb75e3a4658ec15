use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use switchyard_host::{Progress, Strategy, StrategySlot};
use switchyard_plan::{DesiredSlot, DesiredState};
use switchyard_types::{SlotFailure, SlotId, SlotVersion, StageFailure};
use tokio::sync::watch;

use crate::reconcile::{Actual, Refusal, RoutesRecord};

/// What the parts of a node know in common: the slots that its engines ask, and what has become of each.
pub(crate) struct Shared {
    /// Slots of the engines; fixed for the life of the node.
    pub(crate) slots: BTreeMap<SlotId, Arc<dyn StrategySlot>>,
    /// Held for moments, never over an await or a call into the host.
    state: Mutex<State>,
    /// Counts changes of the state.
    changes: watch::Sender<u64>,
    started: Instant,
}

/// What is wanted, and what has become of it.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// What the node follows.
    pub(crate) desired: Arc<DesiredState>,
    /// By slot: every slot of an engine, and those that are wanted and have none.
    pub(crate) slots: BTreeMap<SlotId, SlotRecord>,
    /// The gateway's routes.
    pub(crate) routes: Arc<RoutesRecord>,
    /// Why what the store holds now is not followed at all.
    pub(crate) not_followed: Option<String>,
}

/// One slot as the node sees it.
#[derive(Clone, Default)]
pub(crate) struct SlotRecord {
    /// What the reconciler plans with.
    pub(crate) actual: Actual,
    /// What passed every stage up to the flip.
    pub(crate) staged: Option<SlotVersion>,
    /// For people.
    pub(crate) last_failure: Option<SlotFailure>,
    /// Of the last staging, by stage, in milliseconds.
    pub(crate) staging_ms: BTreeMap<String, f64>,
    /// What is being staged now.
    pub(crate) staging: Option<(SlotVersion, Progress)>,
    /// Of the last return to a version that was still warm, in milliseconds.
    pub(crate) going_back_ms: Option<f64>,
    /// What decides.
    pub(crate) running: Option<Strategy>,
    /// What last ran well, kept compiled and linked so that going back to it takes no staging. It is what decides, or what
    /// decided before a version that has yet to show that it runs well.
    pub(crate) trusted: Option<Proven>,
    /// What ran well before that. It costs its machine code and its bytes on disk, no instances: whoever finds after an hour
    /// that the new version is worse goes back as fast as after a second.
    pub(crate) previous: Option<Proven>,
}

/// A version that has run well, ready to decide again.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) version: DesiredSlot,
    pub(crate) strategy: Strategy,
}

/// What people are told about a failure.
pub(crate) struct Told {
    pub(crate) version: SlotVersion,
    pub(crate) failure: StageFailure,
    pub(crate) took_ms: Option<f64>,
    pub(crate) attempts: u32,
    /// None: it is not tried again until something changes.
    pub(crate) retry_in_ms: Option<u64>,
}

impl Told {
    /// Of something that is not tried again by itself.
    pub(crate) fn once(version: SlotVersion, failure: StageFailure) -> Self {
        Self { version, failure, took_ms: None, attempts: 1, retry_in_ms: None }
    }
}

impl Shared {
    pub(crate) fn new(slots: BTreeMap<SlotId, Arc<dyn StrategySlot>>) -> Self {
        let served = || SlotRecord { actual: Actual { served: true, ..Actual::default() }, ..SlotRecord::default() };
        let records = slots.keys().map(|slot| (slot.clone(), served())).collect();
        let state = Mutex::new(State { slots: records, ..State::default() });
        Self { slots, state, changes: watch::Sender::new(0), started: Instant::now() }
    }

    /// Milliseconds since the node started.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The state as it is now: a copy of every slot's record. Who wants one thing of it reads that.
    pub(crate) fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// One thing of the state as it is now.
    pub(crate) fn read<R>(&self, what: impl FnOnce(&State) -> R) -> R {
        what(&self.state.lock())
    }

    /// Changes the state, then wakes those who report it.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Changes one slot; one that is not known yet is there afterwards.
    pub(crate) fn update_slot<R>(&self, slot: &SlotId, change: impl FnOnce(&mut SlotRecord) -> R) -> R {
        self.update(|state| change(state.slots.entry(slot.clone()).or_default()))
    }

    /// Wakes its holder after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl State {
    /// Notes in every slot that runs something else why `desired` is not followed. Said once, not at every try.
    pub(crate) fn note_not_followed(&mut self, desired: &DesiredState, failure: &StageFailure) {
        for wanted in &desired.slots {
            let Some(record) = self.slots.get_mut(&wanted.slot) else { continue };
            let runs = record.actual.active.as_ref().is_some_and(|active| active.same_content(wanted));
            // The disk is asked again soon, and it is not this version's fault.
            let said = record.last_failure.as_ref().is_some_and(|last| last.failure == *failure);
            if !runs && !said {
                record.note_failure(Told { retry_in_ms: Some(0), ..Told::once(wanted.version(), failure.clone()) });
            }
        }
        let refused = Refusal::All(failure.reason.clone());
        if self.routes.active != desired.routes && !self.routes.is_refused_for(&refused) {
            Arc::make_mut(&mut self.routes).note_refused(desired.routes.clone(), refused, 0);
        }
    }
}

impl SlotRecord {
    /// Notes a failure for people; what runs stays as it is.
    pub(crate) fn note_failure(&mut self, told: Told) {
        let Told { version, failure, took_ms, attempts, retry_in_ms } = told;
        let at_unix_ms = unix_ms();
        let retry_at_unix_ms = retry_in_ms.map(|in_ms| at_unix_ms.saturating_add(in_ms));
        self.last_failure = Some(SlotFailure { version, failure, at_unix_ms, took_ms, attempts, retry_at_unix_ms });
    }

    /// What decides has shown that it runs well. What did so before it stays warm.
    pub(crate) fn note_trusted(&mut self) {
        let (Some(version), Some(strategy)) = (&self.actual.active, &self.running) else { return };
        let proven = Proven { version: version.clone(), strategy: strategy.clone() };
        let before = self.trusted.replace(proven);
        let other = before.filter(|before| !before.version.same_content(version));
        self.previous = other.or(self.previous.take());
        self.previous.take_if(|previous| previous.version.same_content(version));
    }
}

/// The wall clock, for display only.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
