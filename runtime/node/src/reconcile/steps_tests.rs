use proptest::prelude::*;
use serde_json::json;
use switchyard_types::{Digest, Generation, Limits, Stage, StrategyKind};

use super::*;

const NOW_MS: u64 = 10_000;

fn slot_id(target: &str) -> SlotId {
    SlotId { kind: StrategyKind::Caching, target: target.to_owned() }
}

/// A version whose content is `content`, at generation 0.`counter`.
fn version(content: &str, counter: u64) -> DesiredSlot {
    DesiredSlot {
        slot: slot_id(""),
        strategy: "sessions".parse().unwrap(),
        generation: Generation { epoch: 0, counter },
        digest: Digest::of(content.as_bytes()),
        configuration: json!({}),
        limits: Limits::DEFAULT,
    }
}

fn served() -> Actual {
    Actual { served: true, ..Actual::default() }
}

fn running(active: DesiredSlot) -> Actual {
    Actual { active: Some(active), ..served() }
}

fn desired(slots: &[DesiredSlot]) -> DesiredState {
    DesiredState { generation: Generation::default(), slots: slots.to_vec(), routes: Vec::new() }
}

fn failed(wanted: DesiredSlot, retry: Retry) -> Option<FailedAttempt> {
    let failure = Failure { may_pass: retry != Retry::WhenChanged, ..Failure::passing(Stage::Configure, "r") };
    Some(FailedAttempt { wanted, failure, failures: 1, retry, told: true })
}

fn at(at_ms: u64) -> Retry {
    Retry::At { at_ms }
}

fn check(wanted: &[DesiredSlot], is: Actual, expected: &[Step]) {
    let actual = BTreeMap::from([(slot_id(""), is)]);
    assert_eq!(steps(&desired(wanted), &actual, NOW_MS), expected, "wanted {wanted:?}, is {actual:?}");
}

#[test]
fn nothing_is_done_when_all_is_as_it_should_be() {
    check(&[], served(), &[]);
    check(&[version("a", 1)], running(version("a", 1)), &[]);
}

#[test]
fn other_content_is_activated_and_the_same_content_only_noted() {
    check(&[version("a", 1)], served(), &[Step::Activate(version("a", 1))]);
    check(&[version("b", 2)], running(version("a", 1)), &[Step::Activate(version("b", 2))]);
    check(&[version("a", 2)], running(version("a", 1)), &[Step::Relabel(version("a", 2))]);
}

#[test]
fn what_is_not_wanted_is_cleared_and_what_was_healthy_is_forgotten_with_it() {
    check(&[], running(version("a", 1)), &[Step::Clear(slot_id(""))]);
    check(&[], Actual { healthy: Some(version("a", 1)), ..served() }, &[Step::Clear(slot_id(""))]);
}

#[test]
fn a_failed_version_waits_for_its_time_or_for_a_change() {
    let is = |at_ms| Actual { failed: failed(version("b", 2), at(at_ms)), ..running(version("a", 1)) };
    check(&[version("b", 2)], is(NOW_MS + 1), &[]);
    check(&[version("b", 2)], is(NOW_MS), &[Step::Activate(version("b", 2))]);
    check(&[version("b", 3)], is(NOW_MS + 1), &[Step::Activate(version("b", 3))]);
    check(&[version("a", 1)], is(NOW_MS), &[]);
}

#[test]
fn what_would_fail_again_is_not_tried_again_until_its_content_changes() {
    let is = |told| {
        let mut is = Actual { failed: failed(version("b", 2), Retry::WhenChanged), ..running(version("a", 1)) };
        is.failed.as_mut().unwrap().told = told;
        is
    };
    check(&[version("b", 2)], is(true), &[]);
    // Another generation, or the same version wanted again after another ran: it is told, and not tried.
    check(&[version("b", 3)], is(true), &[Step::Recall(version("b", 3))]);
    check(&[version("b", 2)], is(false), &[Step::Recall(version("b", 2))]);
    check(&[version("a", 3)], is(true), &[Step::Relabel(version("a", 3))]);
    check(&[version("c", 3)], is(true), &[Step::Activate(version("c", 3))]);
    let other_limits = DesiredSlot { limits: Limits::CEILING, ..version("b", 3) };
    check(std::slice::from_ref(&other_limits), is(true), &[Step::Activate(other_limits.clone())]);
    let configured = DesiredSlot { configuration: json!({"x": 1}), ..version("b", 3) };
    check(std::slice::from_ref(&configured), is(true), &[Step::Activate(configured.clone())]);
}

#[test]
fn a_version_is_trusted_after_its_time_unless_it_is_quarantined() {
    let on_trial =
        |probation, quarantined| Actual { probation: Some(probation), quarantined, ..running(version("a", 1)) };
    let wanted = [version("a", 1)];
    check(&wanted, on_trial(Probation::Until { ends_at_ms: NOW_MS + 1 }, false), &[]);
    check(&wanted, on_trial(Probation::Until { ends_at_ms: NOW_MS }, false), &[Step::Confirm(slot_id(""))]);
    check(&wanted, on_trial(Probation::Until { ends_at_ms: NOW_MS }, true), &[Step::Suspend(slot_id(""))]);
    check(&wanted, on_trial(Probation::Suspended, true), &[]);
    check(&wanted, on_trial(Probation::Suspended, false), &[Step::Resume(slot_id(""))]);
    // What runs well is remembered before it is replaced, and not remembered when it is not wanted.
    check(
        &[version("b", 2)],
        on_trial(Probation::Until { ends_at_ms: NOW_MS }, false),
        &[Step::Confirm(slot_id("")), Step::Activate(version("b", 2))],
    );
    check(&[], on_trial(Probation::Until { ends_at_ms: NOW_MS }, false), &[Step::Clear(slot_id(""))]);
}

#[test]
fn a_slot_that_no_engine_asks_is_refused_once_and_forgotten() {
    let wanted = DesiredSlot { slot: slot_id("web"), ..version("a", 1) };
    let refused = Actual { failed: failed(wanted.clone(), Retry::WhenChanged), ..Actual::default() };
    let check = |wanted: &[DesiredSlot], actual: BTreeMap<_, _>, expected: &[Step]| {
        assert_eq!(steps(&desired(wanted), &actual, NOW_MS), expected);
    };
    check(std::slice::from_ref(&wanted), BTreeMap::new(), &[Step::Refuse(wanted.clone())]);
    check(&[wanted], BTreeMap::from([(slot_id("web"), refused.clone())]), &[]);
    check(&[], BTreeMap::from([(slot_id("web"), refused)]), &[Step::Forget(slot_id("web"))]);
}

#[test]
fn the_next_look_is_at_a_trial_or_at_a_retry_that_is_still_wanted() {
    let look = |wanted: &[DesiredSlot], is: Actual| {
        next_look_ms(&desired(wanted), &BTreeMap::from([(slot_id(""), is)]), NOW_MS)
    };
    let after_failure = Actual { failed: failed(version("b", 2), at(NOW_MS + 5_000)), ..running(version("a", 1)) };
    assert_eq!(look(&[version("a", 1)], running(version("a", 1))), None);
    assert_eq!(look(&[version("b", 2)], after_failure.clone()), Some(NOW_MS + 5_000));
    assert_eq!(look(&[version("a", 1)], after_failure.clone()), None);
    let on_trial = Actual { probation: Some(Probation::Suspended), ..after_failure };
    assert_eq!(look(&[version("b", 2)], on_trial), Some(NOW_MS + TRIAL_LOOK_MS));
}

/// What the steps would do if each succeeded.
fn apply(step: Step, actual: &mut BTreeMap<SlotId, Actual>) {
    match step {
        Step::Recall(wanted) => {
            let failed = actual.get_mut(&wanted.slot).unwrap().failed.as_mut().unwrap();
            (failed.wanted, failed.told) = (wanted, true);
        }
        Step::Activate(wanted) | Step::Relabel(wanted) => {
            let is = actual.get_mut(&wanted.slot).unwrap();
            is.active = Some(wanted);
            is.failed = None;
        }
        Step::Clear(slot) => drop(actual.insert(slot, served())),
        Step::Confirm(slot) => {
            let is = actual.get_mut(&slot).unwrap();
            is.healthy = is.active.clone();
            is.probation = None;
        }
        Step::Suspend(slot) => actual.get_mut(&slot).unwrap().probation = Some(Probation::Suspended),
        Step::Resume(slot) => {
            actual.get_mut(&slot).unwrap().probation = Some(Probation::Until { ends_at_ms: NOW_MS + 1 });
        }
        Step::Refuse(wanted) => {
            let slot = wanted.slot.clone();
            actual.insert(slot, Actual { failed: failed(wanted, Retry::WhenChanged), ..Actual::default() });
        }
        Step::Forget(slot) => drop(actual.remove(&slot)),
    }
}

fn any_version() -> impl Strategy<Value = DesiredSlot> {
    (prop::sample::select(vec!["a", "b"]), 0..3u64).prop_map(|(content, counter)| version(content, counter))
}

prop_compose! {
    fn any_actual()(
        active in prop::option::of(any_version()),
        healthy in prop::option::of(any_version()),
        failed_version in prop::option::of(any_version()),
        retry in prop::sample::select(vec![at(0), at(NOW_MS + 1), Retry::WhenChanged]),
        told: bool,
        probation in prop::option::of(prop::sample::select(vec![
            Probation::Until { ends_at_ms: 0 },
            Probation::Until { ends_at_ms: NOW_MS + 1 },
            Probation::Suspended,
        ])),
        quarantined: bool,
    ) -> Actual {
        let failed = failed_version.and_then(|wanted| failed(wanted, retry));
        let failed = failed.map(|failed| FailedAttempt { told, ..failed });
        let probation = probation.filter(|_| active.is_some());
        Actual { served: true, active, healthy, failed, probation, quarantined }
    }
}

proptest! {
    #[test]
    fn steps_that_succeed_leave_nothing_to_do(
        wanted in prop::option::of(any_version()),
        elsewhere in any::<bool>(),
        is in any_actual(),
    ) {
        let unserved = DesiredSlot { slot: slot_id("web"), ..version("a", 1) };
        let slots: Vec<_> = wanted.clone().into_iter().chain(elsewhere.then_some(unserved)).collect();
        let mut actual = BTreeMap::from([(slot_id(""), is.clone())]);
        for step in steps(&desired(&slots), &actual, NOW_MS) {
            apply(step, &mut actual);
        }
        prop_assert_eq!(steps(&desired(&slots), &actual, NOW_MS), []);
        let waits = is.failed.is_some_and(|f| match f.retry {
            Retry::At { at_ms } => Some(&f.wanted) == wanted.as_ref() && at_ms > NOW_MS,
            Retry::WhenChanged => wanted.as_ref().is_some_and(|wanted| f.wanted.same_content(wanted)),
        });
        let reached = actual[&slot_id("")].active == wanted;
        prop_assert!(reached || waits);
    }

    #[test]
    fn a_quarantined_version_is_never_trusted(wanted in any_version(), is in any_actual()) {
        let is = Actual { quarantined: true, ..is };
        let planned = steps(&desired(&[wanted]), &BTreeMap::from([(slot_id(""), is)]), NOW_MS);
        prop_assert!(!planned.contains(&Step::Confirm(slot_id(""))));
    }
}
