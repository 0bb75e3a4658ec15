use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const RULE: &str = "memory";
const FOR_MS: u64 = 100;
const SILENCE_MS: u64 = 10_000;

fn series(number: u8) -> Series {
    Series::new("m", vec![("n".into(), number.to_string().into())])
}

fn of_rule_named(rule: &str, number: u8, severity: Severity, for_ms: u64) -> (Series, Verdict) {
    let (rule, reason, evidence) = (rule.to_owned(), "because".to_owned(), String::new());
    let (series, at) = (series(number), number.into());
    (series, Verdict { rule, series: at, severity, holds: false, value: 1.0, for_ms, reason, evidence })
}

fn verdict(number: u8, severity: Severity) -> (Series, Verdict) {
    of_rule_named(RULE, number, severity, FOR_MS)
}

fn at_once(rule: &str, number: u8) -> (Series, Verdict) {
    of_rule_named(rule, number, Severity::Error, 0)
}

/// All series answer.
fn answer(book: &mut AlertBook, now_ms: u64, verdicts: &[(Series, Verdict)]) -> Vec<Change> {
    answer_of(book, now_ms, now_ms, verdicts)
}

/// The same where values have come last at `touched_ms`.
fn answer_of(book: &mut AlertBook, now_ms: u64, touched_ms: u64, verdicts: &[(Series, Verdict)]) -> Vec<Change> {
    let series: Vec<_> = (0..4).map(series).collect();
    book.evaluate(now_ms, Evaluation::Answered { series: &series, touched_ms: &[touched_ms; 4], verdicts })
}

/// What one evaluation brings: verdicts by series, or none because the strategy does not answer.
type Step = (u64, Option<Vec<(u8, Severity)>>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let severity = prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
    let verdicts = prop::collection::vec((0_u8..4, severity), 0..6);
    let evaluation = prop_oneof![4 => verdicts.prop_map(Some), 1 => Just(None)];
    prop::collection::vec((0_u64..80, evaluation), 1..60)
}

fn run(book: &mut AlertBook, now_ms: u64, step: &Option<Vec<(u8, Severity)>>) -> Vec<Change> {
    let Some(named) = step else { return book.evaluate(now_ms, Evaluation::Degraded("it trapped")) };
    let verdicts: Vec<_> = named.iter().map(|(series, severity)| verdict(*series, *severity)).collect();
    answer(book, now_ms, &verdicts)
}

fn active(book: &AlertBook) -> Vec<Alert> {
    let mut alerts: Vec<_> = book.active().cloned().collect();
    alerts.sort_by(|a, b| a.series.cmp(&b.series));
    alerts
}

fn degraded(book: &AlertBook) -> usize {
    book.alerts().filter(|alert| alert.rule == DEGRADED_RULE && alert.is_active()).count()
}

fn ended(changes: &[Change]) -> Vec<(&str, ChangeKind)> {
    changes.iter().map(|change| (&*change.alert.rule, change.kind)).collect()
}

proptest! {
    /// Every series fires, changes and resolves in this order, and after an answer exactly what was named is active.
    #[test]
    fn alerts_live_in_order(steps in steps()) {
        let mut book = AlertBook::new(SILENCE_MS);
        let mut firing = BTreeSet::new();
        let mut now_ms = 0;
        for (passed, step) in &steps {
            now_ms += passed;
            let before = active(&book);
            for change in run(&mut book, now_ms, step) {
                let key = (change.alert.rule.clone(), change.alert.series.clone());
                match change.kind {
                    ChangeKind::Fired => prop_assert!(firing.insert(key), "fired twice"),
                    ChangeKind::Severity => prop_assert!(firing.contains(&key), "changed and did not fire"),
                    ChangeKind::Resolved => prop_assert!(firing.remove(&key), "resolved and did not fire"),
                }
            }
            prop_assert_eq!(degraded(&book), usize::from(step.is_none()));
            match step {
                None => prop_assert_eq!(before, active(&book)),
                Some(named) => {
                    let named: BTreeSet<_> = named.iter().map(|(n, _)| series(*n)).collect();
                    let active: BTreeSet<_> = active(&book).into_iter().map(|alert| alert.series).collect();
                    prop_assert_eq!(named, active);
                }
            }
        }
    }

    /// An alert fires with the first evaluation that finds it named for as long as its rule asks, and not before.
    #[test]
    fn alerts_fire_in_time(steps in steps()) {
        let mut book = AlertBook::new(SILENCE_MS);
        let mut since = BTreeMap::new();
        let mut now_ms = 0;
        for (passed, step) in &steps {
            now_ms += passed;
            run(&mut book, now_ms, step);
            let Some(named) = step else { continue };
            let named: BTreeMap<_, _> = named.iter().map(|(n, s)| (series(*n), *s)).collect();
            since.retain(|series, _| named.contains_key(series));
            for series in named.into_keys() {
                let first = *since.entry(series.clone()).or_insert(now_ms);
                let alert = book.active().find(|alert| alert.series == series).unwrap();
                prop_assert_eq!(alert.state == Phase::Firing, now_ms - first >= FOR_MS);
                prop_assert_eq!(alert.active_since_ms, first);
            }
        }
    }

    /// The worst verdict of a series counts, in whatever order they come.
    #[test]
    fn the_order_of_verdicts_does_not_matter(mut named in prop::collection::vec(0_u8..4, 1..6)) {
        let severity = |n: u8| [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical][n as usize % 4];
        let judge = |named: &[u8]| {
            let mut book = AlertBook::new(SILENCE_MS);
            run(&mut book, 0, &Some(named.iter().map(|n| (0, severity(*n))).collect()));
            active(&book)
        };
        let one = judge(&named);
        named.reverse();
        prop_assert_eq!(&one, &judge(&named));
        prop_assert_eq!(one[0].severity, severity(*named.iter().max().unwrap()));
    }
}

#[test]
fn nothing_resolves_while_the_strategy_is_degraded() {
    let mut book = AlertBook::new(SILENCE_MS);
    let firing = Some(vec![(1, Severity::Warning)]);
    run(&mut book, 0, &firing);
    assert_eq!(run(&mut book, FOR_MS, &firing)[0].kind, ChangeKind::Fired);
    let changes = run(&mut book, FOR_MS + 1, &None);
    assert_eq!(ended(&changes), [(DEGRADED_RULE, ChangeKind::Fired)]);
    assert!(run(&mut book, 10_000_000, &None).is_empty());
    assert_eq!(active(&book)[0].state, Phase::Firing);
    let changes = run(&mut book, 10_000_001, &Some(Vec::new()));
    assert_eq!(ended(&changes), [(DEGRADED_RULE, ChangeKind::Resolved), (RULE, ChangeKind::Resolved)]);
}

#[test]
fn a_strategy_that_finds_fault_with_everything_is_bounded() {
    let mut book = AlertBook::new(SILENCE_MS);
    let numbered = |n: usize| Series::new("m", vec![("n".into(), format!("{n:06}").into())]);
    let all: Vec<_> = (0..ALERTS_MAX + 50).map(|n| (numbered(n), at_once(RULE, 0).1)).collect();
    let series: Vec<_> = all.iter().map(|(series, _)| series.clone()).collect();
    let answer = |book: &mut AlertBook, now_ms, verdicts| {
        let touched_ms = vec![now_ms; series.len()];
        book.evaluate(now_ms, Evaluation::Answered { series: &series, touched_ms: &touched_ms, verdicts }).len()
    };
    assert_eq!(answer(&mut book, 0, &all[..]), ALERTS_MAX);
    // The host's own alert has its place, also where the book is restored.
    assert_eq!(ended(&book.evaluate(0, Evaluation::Degraded("it trapped"))), [(DEGRADED_RULE, ChangeKind::Fired)]);
    let (mut own, others): (Vec<_>, Vec<_>) = book.alerts().cloned().partition(|alert| alert.rule == DEGRADED_RULE);
    let mut restored = AlertBook::new(SILENCE_MS);
    others.into_iter().chain(own.drain(..)).for_each(|alert| restored.restore(alert));
    assert_eq!((degraded(&restored), active(&restored).len(), restored.refused().full), (1, ALERTS_MAX, 0));
    // It is over with the next answer; resolved ones make room.
    assert_eq!((answer(&mut book, 1, &[]), answer(&mut book, 2, &all[..1])), (ALERTS_MAX + 1, 1));
    assert_eq!((book.alerts().count(), book.refused().full), (1, 50));
}

#[test]
fn what_holds_keeps_what_fires_and_begins_nothing() {
    let mut book = AlertBook::new(SILENCE_MS);
    let holds = |number| {
        let (series, verdict) = verdict(number, Severity::Warning);
        (series, Verdict { holds: true, ..verdict })
    };
    let bad = |number| verdict(number, Severity::Critical);
    assert!(answer(&mut book, 0, &[holds(0), bad(1), bad(2)]).is_empty());
    assert_eq!(active(&book).len(), 2, "nothing begins by it");
    let changes = answer(&mut book, FOR_MS - 1, &[holds(1), bad(2)]);
    assert_eq!((changes.len(), active(&book).len()), (0, 1), "what is pending ends");
    let changes = answer(&mut book, FOR_MS, &[holds(1), bad(2)]);
    assert_eq!(ended(&changes), [(RULE, ChangeKind::Fired)]);
    let changes = answer(&mut book, FOR_MS + 1, &[holds(2)]);
    assert_eq!(ended(&changes), [(RULE, ChangeKind::Severity)]);
    assert!(answer(&mut book, 10 * FOR_MS, &[holds(2)]).is_empty());
    assert_eq!(active(&book)[0].state, Phase::Firing, "what fires goes on");
    let both = [bad(2), holds(2)];
    assert_eq!(answer(&mut book, 11 * FOR_MS, &both)[0].alert.severity, Severity::Critical);
    assert_eq!(ended(&answer(&mut book, 12 * FOR_MS, &[])), [(RULE, ChangeKind::Resolved)]);
}

#[test]
fn the_same_value_shown_again_lets_nothing_ripen() {
    let mut book = AlertBook::new(SILENCE_MS);
    let bad = [verdict(1, Severity::Critical)];
    for now_ms in [0, FOR_MS, 10 * FOR_MS] {
        assert!(answer_of(&mut book, now_ms, 0, &bad).is_empty(), "only one value has come");
    }
    let changes = answer_of(&mut book, 11 * FOR_MS, FOR_MS, &bad);
    assert_eq!((ended(&changes), changes[0].alert.active_since_ms), (vec![(RULE, ChangeKind::Fired)], 0));
}

#[test]
fn a_rule_that_the_strategy_no_longer_has_takes_its_alerts_along() {
    let mut book = AlertBook::new(SILENCE_MS);
    answer(&mut book, 0, &[at_once("kept", 1), at_once("gone", 1)]);
    let changes = answer(&mut book, 1, &[at_once("kept", 1)]);
    assert_eq!(ended(&changes), [("gone", ChangeKind::Resolved)]);
    assert_eq!(active(&book).len(), 1);
}

#[test]
fn without_a_strategy_nothing_is_wrong() {
    let mut book = AlertBook::new(SILENCE_MS);
    answer(&mut book, 0, &[at_once(RULE, 1), verdict(2, Severity::Info)]);
    run(&mut book, 1, &None);
    let changes = book.evaluate(2, Evaluation::Ended);
    assert_eq!(ended(&changes), [(DEGRADED_RULE, ChangeKind::Resolved), (RULE, ChangeKind::Resolved)]);
    assert!(active(&book).is_empty());
}

#[test]
fn a_silent_series_is_waited_for() {
    let mut book = AlertBook::new(SILENCE_MS);
    answer(&mut book, 0, &[at_once(RULE, 1)]);
    // It is shown as long as it is known, and that is no value.
    assert!(answer_of(&mut book, SILENCE_MS - 1, 0, &[at_once(RULE, 1)]).is_empty());
    let silent = |book: &mut AlertBook, now_ms| {
        book.evaluate(now_ms, Evaluation::Answered { series: &[], touched_ms: &[], verdicts: &[] })
    };
    let mut silent = |now_ms| silent(&mut book, now_ms);
    assert!(silent(SILENCE_MS).is_empty());
    assert_eq!(ended(&silent(SILENCE_MS + 1)), [(RULE, ChangeKind::Resolved)]);
}

#[test]
fn the_hosts_own_rule_cannot_be_named() {
    let mut book = AlertBook::new(SILENCE_MS);
    assert!(answer(&mut book, 0, &[at_once(DEGRADED_RULE, 1)]).is_empty());
    assert_eq!((book.refused().reserved, book.alerts().count()), (1, 0));
}

#[test]
fn resolved_alerts_are_forgotten_in_time() {
    let mut book = AlertBook::new(SILENCE_MS);
    answer(&mut book, 0, &[at_once(RULE, 1)]);
    answer(&mut book, 1, &[]);
    assert_eq!(book.alerts().count(), 1);
    answer(&mut book, 1 + RESOLVED_KEPT_MS, &[]);
    assert_eq!(book.alerts().count(), 0);
}
