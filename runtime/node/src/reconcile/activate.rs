use std::{collections::BTreeMap, time::Instant};

use switchyard_host::{Progress, Strategy, SwapOrder};
use switchyard_plan::DesiredSlot;
use switchyard_types::{Digest, SlotId, Stage};

use super::{FailedAttempt, Failure, Probation, Reconciler, Retry, stage::blocking};
use crate::{
    backoff::Backoff,
    checkpoint::SlotStates,
    shared::{State, Told},
};

/// How long a version must decide without a quarantine before it is remembered as healthy, in milliseconds.
const TRIAL_MS: u64 = 1_000;

/// A version that decides now, and how it came there.
struct Activated {
    strategy: Strategy,
    /// By stage, in milliseconds.
    staging_ms: BTreeMap<Stage, f64>,
    /// All of it, in milliseconds; none: it had to be staged.
    going_back_ms: Option<f64>,
}

impl Reconciler {
    /// Stages and flips; whatever fails, what decides goes on deciding.
    pub(super) async fn activate(&self, wanted: DesiredSlot) -> bool {
        let progress = Progress::default();
        self.shared.update_slot(&wanted.slot, |record| record.staging = Some((wanted.version(), progress.clone())));
        let outcome = self.stage_and_flip(&wanted, &progress).await;
        let laps = progress.end();
        self.shared.update_slot(&wanted.slot, |record| record.staging = None);
        match outcome {
            Ok((strategy, going_back_ms)) => {
                tracing::info!(slot = %wanted.slot, strategy = %wanted.strategy, digest = ?wanted.digest, "active");
                self.note_active(wanted, Activated { strategy, staging_ms: laps, going_back_ms });
                true
            }
            Err(failure) => {
                let failure = failure.timed(&laps);
                let (told, again) = (&failure.told, failure.may_pass);
                tracing::warn!(slot = %wanted.slot, strategy = %wanted.strategy, %told, again, "not activated");
                self.note_failed(wanted, failure);
                false
            }
        }
    }

    /// What decides now, and how long that took where it was still warm.
    async fn stage_and_flip(
        &self,
        wanted: &DesiredSlot,
        progress: &Progress,
    ) -> Result<(Strategy, Option<f64>), Failure> {
        let since = Instant::now();
        let warm = self.warm(wanted);
        let is_warm = warm.is_some();
        let strategy = match warm {
            Some(strategy) => strategy,
            None => self.stager.stage(wanted, progress).await?,
        };
        self.shared.update_slot(&wanted.slot, |record| record.staged = Some(wanted.version()));
        self.swap(wanted, &strategy, progress).await?;
        Ok((strategy, is_warm.then(|| since.elapsed().as_secs_f64() * 1_000.0)))
    }

    /// The wanted version where it has run well before and was kept: it is still compiled, linked and proven.
    fn warm(&self, wanted: &DesiredSlot) -> Option<Strategy> {
        self.shared.read(|state| {
            let record = state.slots.get(&wanted.slot)?;
            let mut kept = [&record.trusted, &record.previous].into_iter().flatten();
            kept.find(|proven| proven.version.same_content(wanted)).map(|proven| proven.strategy.clone())
        })
    }

    async fn swap(&self, wanted: &DesiredSlot, strategy: &Strategy, progress: &Progress) -> Result<(), Failure> {
        let Some(handle) = self.shared.slots.get(&wanted.slot).cloned() else {
            return Err(Failure::lasting(self.unserved(&wanted.slot)));
        };
        let decides = |state: &State| Some(state.slots.get(&wanted.slot)?.actual.active.as_ref()?.strategy.clone());
        let states = SlotStates {
            states: self.checkpoints.states.clone(),
            slot: wanted.slot.clone(),
            reads: wanted.strategy.clone(),
            writes: self.shared.read(decides),
        };
        let (strategy, seed, progress) = (strategy.clone(), self.seed(&wanted.slot), progress.clone());
        let swap = move || {
            let order = SwapOrder::new(&strategy, seed).watched(&progress).with_states(&states);
            handle.swap_with(&order)
        };
        blocking(Stage::Flip, swap).await.map(drop)
    }

    /// A strategy's randomness differs between nodes and slots, and is the same after a restart.
    fn seed(&self, slot: &SlotId) -> u64 {
        let hex = Digest::of(format!("{}/{slot}", self.node).as_bytes()).hex();
        hex.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    pub(super) fn trial(&self) -> Option<Probation> {
        Some(Probation::Until { ends_at_ms: self.shared.now_ms().saturating_add(TRIAL_MS) })
    }

    fn note_active(&self, wanted: DesiredSlot, activated: Activated) {
        let Activated { strategy, staging_ms, going_back_ms } = activated;
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            record.running = Some(strategy);
            record.staging_ms = staging_ms.into_iter().map(|(stage, ms)| (stage.to_string(), ms)).collect();
            record.going_back_ms = going_back_ms.or(record.going_back_ms);
            record.last_failure = None;
            // What would fail again is remembered although something else runs: it may be wanted again.
            record.actual.failed.take_if(|failed| failed.retry != Retry::WhenChanged);
            if let Some(failed) = &mut record.actual.failed {
                failed.told = false;
            }
            record.actual.probation = self.trial();
            // After a start it has run well before, and whoever goes back to it need not wait for that again.
            let is_healthy = record.actual.healthy.as_ref().is_some_and(|healthy| healthy.same_content(&wanted));
            record.actual.active = Some(wanted);
            if is_healthy {
                record.note_trusted();
            }
        });
    }

    fn note_failed(&self, wanted: DesiredSlot, failure: Failure) {
        let now_ms = self.shared.now_ms();
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            record.staged = record.actual.active.as_ref().map(DesiredSlot::version);
            let before = record.actual.failed.take().filter(|failed| failed.wanted == wanted);
            let failures = before.map_or(1, |failed| failed.failures.saturating_add(1));
            let delay_ms = u64::try_from(Backoff::ACTIVATE.jittered(failures).as_millis()).unwrap_or(u64::MAX);
            let retry = match failure.may_pass {
                true => Retry::At { at_ms: now_ms.saturating_add(delay_ms) },
                false => Retry::WhenChanged,
            };
            record.note_failure(Told {
                version: wanted.version(),
                failure: failure.told.clone(),
                took_ms: failure.took_ms,
                attempts: failures,
                retry_in_ms: failure.may_pass.then_some(delay_ms),
            });
            record.actual.failed = Some(FailedAttempt { wanted, failure, failures, retry, told: true });
        });
    }

    /// Says again of a version that would fail again why it did, and tries nothing.
    pub(super) fn recall(&self, wanted: DesiredSlot) {
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            let Some(mut failed) = record.actual.failed.take() else { return };
            record.staged = record.actual.active.as_ref().map(DesiredSlot::version);
            record.note_failure(Told {
                version: wanted.version(),
                failure: failed.failure.told.clone(),
                took_ms: failed.failure.took_ms,
                attempts: failed.failures,
                retry_in_ms: None,
            });
            (failed.wanted, failed.told) = (wanted, true);
            record.actual.failed = Some(failed);
        });
    }
}
