use std::collections::BTreeMap;

use switchyard_host::{Strategy, SwapReport};
use switchyard_plan::DesiredSlot;
use switchyard_types::{Digest, SlotId, Stage, StageFailure};

use super::{
    FailedAttempt, Probation, Reconciler,
    stage::{Staged, blocking},
};
use crate::backoff::Backoff;

/// How long a version must decide without a quarantine before it is remembered as healthy, in milliseconds.
const TRIAL_MS: u64 = 1_000;

/// How long each stage took, in milliseconds.
type StagingTimes = BTreeMap<String, f64>;

impl Reconciler {
    /// Stages and flips; whatever fails, what decides goes on deciding.
    pub(super) async fn activate(&self, wanted: DesiredSlot) -> bool {
        match self.stage_and_flip(&wanted).await {
            Ok(activated) => {
                tracing::info!(slot = %wanted.slot, strategy = %wanted.strategy, digest = ?wanted.digest, "active");
                self.note_active(wanted, activated);
                true
            }
            Err(failure) => {
                tracing::warn!(slot = %wanted.slot, strategy = %wanted.strategy, %failure, "not activated");
                self.note_failed(wanted, failure);
                false
            }
        }
    }

    async fn stage_and_flip(&self, wanted: &DesiredSlot) -> Result<(Strategy, StagingTimes), StageFailure> {
        let Staged { strategy, mut staging_ms } = match self.trusted(wanted) {
            Some(strategy) => Staged { strategy, staging_ms: BTreeMap::new() },
            None => self.stager.stage(wanted).await?,
        };
        self.shared.update_slot(&wanted.slot, |record| record.staged = Some(wanted.version()));
        let report = self.swap(&wanted.slot, &strategy).await?;
        staging_ms.extend(report.staging_ms);
        Ok((strategy, staging_ms))
    }

    /// The wanted version where it is the one that last ran well: it is still compiled, linked and proven.
    fn trusted(&self, wanted: &DesiredSlot) -> Option<Strategy> {
        let record = self.shared.state().slots.remove(&wanted.slot)?;
        record.actual.healthy.filter(|healthy| healthy.same_content(wanted)).and(record.trusted)
    }

    async fn swap(&self, slot: &SlotId, strategy: &Strategy) -> Result<SwapReport, StageFailure> {
        let Some(handle) = self.shared.slots.get(slot).cloned() else {
            return Err(self.unserved(slot));
        };
        let (strategy, seed) = (strategy.clone(), self.seed(slot));
        blocking(Stage::Flip, move || handle.swap(&strategy, seed)).await
    }

    /// A strategy's randomness differs between nodes and slots, and is the same after a restart.
    fn seed(&self, slot: &SlotId) -> u64 {
        let hex = Digest::of(format!("{}/{slot}", self.node).as_bytes()).hex();
        hex.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    pub(super) fn trial(&self) -> Option<Probation> {
        Some(Probation::Until { ends_at_ms: self.shared.now_ms().saturating_add(TRIAL_MS) })
    }

    fn note_active(&self, wanted: DesiredSlot, (strategy, staging_ms): (Strategy, StagingTimes)) {
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            record.running = Some(strategy);
            record.staging_ms = staging_ms;
            record.last_failure = None;
            record.actual.failed = None;
            record.actual.probation = self.trial();
            record.actual.active = Some(wanted);
        });
    }

    fn note_failed(&self, wanted: DesiredSlot, failure: StageFailure) {
        self.shared.update_slot(&wanted.slot.clone(), |record| {
            record.staged = record.actual.active.as_ref().map(DesiredSlot::version);
            record.note_failure(wanted.version(), failure);
            let before = record.actual.failed.take().filter(|failed| failed.wanted == wanted);
            let failures = before.map_or(1, |failed| failed.failures.saturating_add(1));
            let delay_ms = u64::try_from(Backoff::ACTIVATE.jittered(failures).as_millis()).unwrap_or(u64::MAX);
            let retry_at_ms = self.shared.now_ms().saturating_add(delay_ms);
            record.actual.failed = Some(FailedAttempt { wanted, failures, retry_at_ms });
        });
    }
}
