use std::collections::{BTreeMap, BTreeSet};

use switchyard_plan::{DesiredSlot, DesiredState};
use switchyard_types::SlotId;

use super::Failure;

/// What is the case in one slot.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Actual {
    /// Whether an engine of this node asks the slot.
    pub(crate) served: bool,
    /// What decides; none: the built-in fallback.
    pub(crate) active: Option<DesiredSlot>,
    /// What last ran well; remembered on disk.
    pub(crate) healthy: Option<DesiredSlot>,
    /// The last try that failed, until one succeeds.
    pub(crate) failed: Option<FailedAttempt>,
    /// While the active version has yet to show that it runs well.
    pub(crate) probation: Option<Probation>,
    /// Whether a shard of the active version is on the fallback because its plugin failed too often.
    pub(crate) quarantined: bool,
}

/// A version that could not be activated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FailedAttempt {
    /// What was wanted then.
    pub(crate) wanted: DesiredSlot,
    /// Why.
    pub(crate) failure: Failure,
    /// Failures in a row of just this.
    pub(crate) failures: u32,
    /// Whether and when it is tried again.
    pub(crate) retry: Retry,
    /// Whether the slot's status tells of it.
    pub(crate) told: bool,
}

/// When a version that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not before this, unless the strategy is published again.
    At {
        /// On the node's clock, in milliseconds.
        at_ms: u64,
    },
    /// Not by this process: the same plugin with the same configuration and limits would fail again.
    WhenChanged,
}

/// Where the active version is on its way to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probation {
    /// It runs well so far, and is healthy at this time.
    Until {
        /// On the node's clock, in milliseconds.
        ends_at_ms: u64,
    },
    /// It was quarantined, and that was reported.
    Suspended,
}

/// One thing to do, complete in itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Bring this version to life and let it decide.
    Activate(DesiredSlot),
    /// This version has failed and would fail again: say so, and try nothing.
    Recall(DesiredSlot),
    /// The active version is wanted under another name or generation: note that, and touch nothing.
    Relabel(DesiredSlot),
    /// Back to the built-in fallback.
    Clear(SlotId),
    /// The active version has run well for long enough.
    Confirm(SlotId),
    /// The active version was quarantined before it was trusted: report it, and trust nothing.
    Suspend(SlotId),
    /// The quarantine is over: the time of trial begins again.
    Resume(SlotId),
    /// No engine of this node asks this slot.
    Refuse(DesiredSlot),
    /// A slot that nobody asks is not wanted any more.
    Forget(SlotId),
}

/// What is to be done, in order; nothing when all is as it should be.
pub(crate) fn steps(desired: &DesiredState, actual: &BTreeMap<SlotId, Actual>, now_ms: u64) -> Vec<Step> {
    let nothing = Actual::default();
    let slots: BTreeSet<&SlotId> = desired.slots.iter().map(|slot| &slot.slot).chain(actual.keys()).collect();
    slots
        .into_iter()
        .flat_map(|slot| {
            let wanted = desired.slot(slot);
            let is = actual.get(slot).unwrap_or(&nothing);
            let trust = wanted.and_then(|_| trust(slot, is, now_ms));
            trust.into_iter().chain(change(slot, wanted, is, now_ms))
        })
        .collect()
}

/// When to look again although nothing has been heard; none: not before something is heard.
pub(crate) fn next_look_ms(desired: &DesiredState, actual: &BTreeMap<SlotId, Actual>, now_ms: u64) -> Option<u64> {
    let look = |(slot, is): (&SlotId, &Actual)| {
        let on_trial = is.probation.map(|_| now_ms.saturating_add(TRIAL_LOOK_MS));
        let failed = is.failed.as_ref().filter(|failed| is.served && desired.slot(slot) == Some(&failed.wanted));
        let retry = failed.and_then(|failed| match failed.retry {
            Retry::At { at_ms } => Some(at_ms),
            Retry::WhenChanged => None,
        });
        on_trial.into_iter().chain(retry).min()
    };
    actual.iter().filter_map(look).min()
}

/// How often a version on trial is looked at, in milliseconds: a quarantine should be reported soon.
const TRIAL_LOOK_MS: u64 = 200;

fn trust(slot: &SlotId, is: &Actual, now_ms: u64) -> Option<Step> {
    match is.probation? {
        Probation::Until { .. } if is.quarantined => Some(Step::Suspend(slot.clone())),
        Probation::Until { ends_at_ms } if now_ms >= ends_at_ms => Some(Step::Confirm(slot.clone())),
        Probation::Suspended if !is.quarantined => Some(Step::Resume(slot.clone())),
        Probation::Until { .. } | Probation::Suspended => None,
    }
}

fn change(slot: &SlotId, wanted: Option<&DesiredSlot>, is: &Actual, now_ms: u64) -> Option<Step> {
    let Some(wanted) = wanted else {
        let holds = is.active.is_some() || is.healthy.is_some();
        return if !is.served { Some(Step::Forget(slot.clone())) } else { holds.then(|| Step::Clear(slot.clone())) };
    };
    let failed_before = is.failed.as_ref().filter(|failed| failed.wanted.same_content(wanted));
    let is_told = failed_before.is_some_and(|failed| failed.told && failed.wanted == *wanted);
    if !is.served {
        return (!is_told).then(|| Step::Refuse(wanted.clone()));
    }
    match &is.active {
        Some(active) if active == wanted => None,
        Some(active) if active.same_content(wanted) => Some(Step::Relabel(wanted.clone())),
        _ => match failed_before.map(|failed| failed.retry) {
            Some(Retry::WhenChanged) => (!is_told).then(|| Step::Recall(wanted.clone())),
            // Published again, it is tried at once: somebody may have mended what was in the way.
            Some(Retry::At { at_ms }) if is_told && now_ms < at_ms => None,
            _ => Some(Step::Activate(wanted.clone())),
        },
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
