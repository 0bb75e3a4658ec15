use std::{collections::BTreeMap, io, sync::Arc};

use switchyard_plan::{DesiredSlot, DesiredState};
use switchyard_store::Snapshot;
use switchyard_types::{NodeId, SlotId, Stage, StageFailure};
use tokio::task::spawn_blocking;

use super::{
    Actual, FailedAttempt, Failure, Retry,
    boot::{Boot, BootRoutes},
    stage::Stager,
    steps::{Step, next_look_ms, steps},
};
use crate::{
    checkpoint::Checkpoints,
    engines::SetRoutes,
    folder::DataFolder,
    shared::{Shared, SlotRecord, Told},
};

/// When to look again after the disk refused a record, in milliseconds.
pub(super) const RECORD_RETRY_MS: u64 = 5_000;
/// Passes of one reconciliation: a second one sees what the first has done. What is left after that waits.
const PASSES_MAX: usize = 3;

/// What a node is told: its plan, and what that was made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) desired: Arc<DesiredState>,
    pub(crate) sealed: Arc<Snapshot>,
}

/// Makes what runs equal to what is wanted. It takes no input: it looks at the whole state, and running it again does no
/// harm. One task owns it, so that steps never run beside each other.
pub(crate) struct Reconciler {
    pub(crate) node: NodeId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) folder: Arc<DataFolder>,
    pub(crate) stager: Stager,
    pub(crate) set_routes: SetRoutes,
    pub(crate) checkpoints: Checkpoints,
}

impl Reconciler {
    /// Activates what the node remembers. What does not come to life is tried again later.
    pub(crate) async fn boot(&self, boot: Boot) {
        self.shared.update(|state| {
            Arc::make_mut(&mut state.desired).generation = boot.seen;
            for good in boot.healthy {
                let record = state.slots.entry(good.slot.clone()).or_default();
                record.actual.healthy = Some(good);
            }
        });
        self.boot_routes(boot.routes).await;
        for (slot, candidates) in boot.candidates {
            let mut chosen = candidates.first().cloned();
            for candidate in candidates {
                if self.shared.slots.contains_key(&slot) && self.activate(candidate.clone()).await {
                    chosen = Some(candidate);
                    break;
                }
            }
            self.shared.update(|state| Arc::make_mut(&mut state.desired).slots.extend(chosen));
        }
    }

    /// Before the strategies: one that decides for all routes is then started where routes are.
    async fn boot_routes(&self, routes: BootRoutes) {
        self.shared.update(|state| Arc::make_mut(&mut state.routes).healthy = routes.healthy);
        let mut chosen = routes.candidates.first().cloned().unwrap_or_default();
        for candidate in routes.candidates {
            if self.apply_routes(candidate.clone()).await {
                chosen = candidate;
                break;
            }
        }
        self.shared.update(|state| Arc::make_mut(&mut state.desired).routes = chosen);
    }

    /// Follows another desired state from now on, once it is on disk: a node that dies while it stages knows what it was
    /// told. What the disk refuses is not followed, and every slot that it would change says so.
    pub(crate) async fn follow(&self, Wanted { desired, sealed }: Wanted) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        if let Err(error) = write(move || folder.write_received(&sealed)).await {
            let reason = format!("the desired state cannot be written to the node's data folder: {error}");
            self.shared.update(|state| state.note_not_followed(&desired, &StageFailure::new(Stage::Fetch, reason)));
            return Err(error);
        }
        self.shared.update(|state| {
            Arc::make_mut(&mut state.routes).follow(&desired.routes);
            state.desired = desired;
        });
        Ok(())
    }

    /// Does what there is to do, and says when to look again on the node's clock; none: when something is heard.
    pub(crate) async fn reconcile(&self) -> Option<u64> {
        self.reconcile_routes().await;
        for _ in 0..PASSES_MAX {
            let (desired, actual) = self.observe().await;
            let steps = steps(&desired, &actual, self.shared.now_ms());
            if steps.is_empty() {
                let slots_ms = next_look_ms(&desired, &actual, self.shared.now_ms());
                return slots_ms.into_iter().chain(self.routes_look_ms()).min();
            }
            for step in steps {
                self.execute(step).await;
            }
        }
        Some(self.shared.now_ms().saturating_add(RECORD_RETRY_MS))
    }

    fn routes_look_ms(&self) -> Option<u64> {
        let now_ms = self.shared.now_ms();
        self.shared.read(|state| state.routes.next_look_ms(&state.desired.routes, now_ms))
    }

    async fn observe(&self) -> (Arc<DesiredState>, BTreeMap<SlotId, Actual>) {
        let slots = self.shared.slots.clone();
        let read = move || slots.into_iter().map(|(id, slot)| (id, slot.figures().shards.quarantined > 0)).collect();
        // A host that panics here says nothing, and nothing is concluded from that.
        let quarantined: BTreeMap<SlotId, bool> = spawn_blocking(read).await.unwrap_or_default();
        let state = self.shared.state();
        let actual = state.slots.into_iter().map(|(id, record)| {
            let quarantined = quarantined.get(&id).copied().unwrap_or(record.actual.quarantined);
            (id, Actual { quarantined, ..record.actual })
        });
        (state.desired, actual.collect())
    }

    async fn execute(&self, step: Step) {
        match step {
            Step::Activate(wanted) => drop(self.activate(wanted).await),
            Step::Recall(wanted) => self.recall(wanted),
            Step::Relabel(wanted) => self.relabel(wanted).await,
            Step::Clear(slot) => self.clear(slot).await,
            Step::Confirm(slot) => self.confirm(slot).await,
            Step::Suspend(slot) => self.suspend(&slot).await,
            Step::Resume(slot) => self.shared.update_slot(&slot, |record| record.actual.probation = self.trial()),
            Step::Refuse(wanted) => self.refuse(wanted),
            Step::Forget(slot) => self.shared.update(|state| drop(state.slots.remove(&slot))),
        }
    }

    async fn clear(&self, slot: SlotId) {
        let Some(handle) = self.shared.slots.get(&slot).cloned() else { return };
        if let Err(error) = spawn_blocking(move || handle.clear()).await {
            tracing::error!(%slot, %error, "the built-in fallback does not decide");
            return;
        }
        tracing::info!(%slot, "the built-in fallback decides");
        self.shared.update_slot(&slot, |record| {
            let failed = record.actual.failed.take().filter(|failed| failed.retry == Retry::WhenChanged);
            let failed = failed.map(|failed| FailedAttempt { told: false, ..failed });
            let kept = Actual { served: true, healthy: record.actual.healthy.take(), failed, ..Actual::default() };
            let last_failure = record.last_failure.take();
            *record = SlotRecord { actual: kept, last_failure, ..SlotRecord::default() };
        });
        drop(self.remember(&slot, None).await);
        let states = self.checkpoints.states.clone();
        if let Err(error) = write(move || states.remove(&slot)).await {
            tracing::warn!(%error, "what the instances of a cleared slot knew stays on disk");
        }
    }

    fn refuse(&self, wanted: DesiredSlot) {
        let failure = Failure::lasting(self.unserved(&wanted.slot));
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            record.note_failure(Told::once(wanted.version(), failure.told.clone()));
            let retry = Retry::WhenChanged;
            record.actual.failed = Some(FailedAttempt { wanted, failure, failures: 1, retry, told: true });
        });
    }

    pub(super) fn unserved(&self, slot: &SlotId) -> StageFailure {
        let served: Vec<_> = self.shared.slots.keys().map(SlotId::to_string).collect();
        let reason = format!("this node has no slot {slot}: it has {}", served.join(", "));
        StageFailure::new(Stage::Flip, reason)
    }
}

/// Disk work, away from the tasks.
pub(super) async fn write(job: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    spawn_blocking(job).await.map_err(io::Error::other)?
}
