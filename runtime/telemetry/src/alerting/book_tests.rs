use proptest::prelude::*;

use super::*;

const RULE: &str = "memory";
const FOR_MS: u64 = 100;

fn rule() -> AlertRule {
    AlertRule { name: RULE.to_owned(), for_ms: FOR_MS }
}

fn verdict(series: u8, severity: Severity) -> Verdict {
    let series = Series::new("m", vec![("n".into(), series.to_string().into())]);
    Verdict { series, severity, value: 1.0, reason: "because".to_owned(), evidence: Vec::new() }
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
    let Some(named) = step else { return book.evaluate(now_ms, &rule(), Evaluation::Degraded("it trapped")) };
    let verdicts: Vec<_> = named.iter().map(|(series, severity)| verdict(*series, *severity)).collect();
    book.evaluate(now_ms, &rule(), Evaluation::Verdicts(&verdicts))
}

fn of_rule(book: &AlertBook) -> Vec<Alert> {
    let mut alerts: Vec<_> = book.active(RULE).cloned().collect();
    alerts.sort_by(|a, b| a.series.cmp(&b.series));
    alerts
}

proptest! {
    /// Every series fires, changes and resolves in this order, and after an answer exactly what was named is active.
    #[test]
    fn alerts_live_in_order(steps in steps()) {
        let mut book = AlertBook::new();
        let mut firing = BTreeSet::new();
        let mut now_ms = 0;
        for (passed, step) in &steps {
            now_ms += passed;
            let before = of_rule(&book);
            for change in run(&mut book, now_ms, step) {
                let key = (change.alert.rule.clone(), change.alert.series.clone());
                match change.kind {
                    ChangeKind::Fired => prop_assert!(firing.insert(key), "fired twice"),
                    ChangeKind::Severity => prop_assert!(firing.contains(&key), "changed and did not fire"),
                    ChangeKind::Resolved => prop_assert!(firing.remove(&key), "resolved and did not fire"),
                }
            }
            let degraded = book.active(DEGRADED_RULE).count();
            prop_assert_eq!(degraded, usize::from(step.is_none()));
            match step {
                None => prop_assert_eq!(before, of_rule(&book)),
                Some(named) => {
                    let named: BTreeSet<_> = named.iter().map(|(n, s)| verdict(*n, *s).series).collect();
                    let active: BTreeSet<_> = of_rule(&book).into_iter().map(|alert| alert.series).collect();
                    prop_assert_eq!(named, active);
                }
            }
        }
    }

    /// An alert fires with the first evaluation that finds it named for as long as its rule asks, and not before.
    #[test]
    fn alerts_fire_in_time(steps in steps()) {
        let mut book = AlertBook::new();
        let mut since = BTreeMap::new();
        let mut now_ms = 0;
        for (passed, step) in &steps {
            now_ms += passed;
            run(&mut book, now_ms, step);
            let Some(named) = step else { continue };
            let named: BTreeMap<_, _> = named.iter().map(|(n, s)| (verdict(*n, *s).series, *s)).collect();
            since.retain(|series, _| named.contains_key(series));
            for series in named.into_keys() {
                let first = *since.entry(series.clone()).or_insert(now_ms);
                let alert = book.active(RULE).find(|alert| alert.series == series).unwrap();
                prop_assert_eq!(alert.state == AlertState::Firing, now_ms - first >= FOR_MS);
                prop_assert_eq!(alert.active_since_ms, first);
            }
        }
    }

    /// The worst verdict of a series counts, in whatever order they come.
    #[test]
    fn the_order_of_verdicts_does_not_matter(mut named in prop::collection::vec(0_u8..4, 1..6)) {
        let severity = |n: u8| [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical][n as usize % 4];
        let judge = |named: &[u8]| {
            let mut book = AlertBook::new();
            run(&mut book, 0, &Some(named.iter().map(|n| (0, severity(*n))).collect()));
            of_rule(&book)
        };
        let one = judge(&named);
        named.reverse();
        prop_assert_eq!(&one, &judge(&named));
        prop_assert_eq!(one[0].severity, severity(*named.iter().max().unwrap()));
    }
}

#[test]
fn nothing_resolves_while_the_strategy_is_degraded() {
    let mut book = AlertBook::new();
    let firing = Some(vec![(1, Severity::Warning)]);
    run(&mut book, 0, &firing);
    assert_eq!(run(&mut book, FOR_MS, &firing)[0].kind, ChangeKind::Fired);
    let changes = run(&mut book, FOR_MS + 1, &None);
    assert_eq!((changes.len(), &*changes[0].alert.rule), (1, DEGRADED_RULE));
    assert_eq!(changes[0].alert.series.label("rule"), Some(RULE));
    assert!(run(&mut book, 10_000_000, &None).is_empty());
    assert_eq!(of_rule(&book)[0].state, AlertState::Firing);
    let changes = run(&mut book, 10_000_001, &Some(Vec::new()));
    let ended: Vec<_> = changes.iter().map(|change| (&*change.alert.rule, change.kind)).collect();
    assert_eq!(ended, [(RULE, ChangeKind::Resolved), (DEGRADED_RULE, ChangeKind::Resolved)]);
}

#[test]
fn a_strategy_that_finds_fault_with_everything_is_bounded() {
    let mut book = AlertBook::new();
    let at_once = AlertRule { name: RULE.to_owned(), for_ms: 0 };
    let series = |n: usize| Series::new("m", vec![("n".into(), n.to_string().into())]);
    let all: Vec<_> =
        (0..ALERTS_MAX + 50).map(|n| Verdict { series: series(n), ..verdict(0, Severity::Error) }).collect();
    assert_eq!(book.evaluate(0, &at_once, Evaluation::Verdicts(&all)).len(), ALERTS_MAX);
    assert_eq!((book.alerts().count(), book.refused().full), (ALERTS_MAX, 50));
    // Resolved ones make room.
    book.evaluate(1, &at_once, Evaluation::Verdicts(&[]));
    let changes = book.evaluate(2, &at_once, Evaluation::Verdicts(&all[..1]));
    assert_eq!((changes.len(), book.alerts().count()), (1, 1));
}

#[test]
fn a_rule_that_is_removed_takes_its_alerts_along() {
    let mut book = AlertBook::new();
    let at_once = AlertRule { name: RULE.to_owned(), for_ms: 0 };
    book.evaluate(0, &at_once, Evaluation::Verdicts(&[verdict(1, Severity::Error)]));
    book.evaluate(1, &at_once, Evaluation::Degraded("it trapped"));
    assert_eq!(book.remove_rule(2, RULE).len(), 2);
    assert!(book.alerts().all(|alert| !alert.is_active()));
}

#[test]
fn rules_that_are_gone_take_their_alerts_along() {
    let mut book = AlertBook::new();
    let rule = |name: &str| AlertRule { name: name.to_owned(), for_ms: 0 };
    for name in ["kept", "gone"] {
        book.evaluate(0, &rule(name), Evaluation::Verdicts(&[verdict(1, Severity::Error)]));
    }
    // Of this one nothing but its strategy's own alert is there.
    book.evaluate(0, &rule("silent"), Evaluation::Degraded("it trapped"));
    let changes = book.retain_rules(1, |name| name == "kept");
    let ended: Vec<_> = changes.iter().map(|change| (&*change.alert.rule, change.kind)).collect();
    assert_eq!(ended, [("gone", ChangeKind::Resolved), (DEGRADED_RULE, ChangeKind::Resolved)]);
    assert_eq!(book.active("kept").count(), 1);
}

#[test]
fn resolved_alerts_are_forgotten_in_time_and_long_texts_are_cut() {
    let mut book = AlertBook::new();
    let at_once = AlertRule { name: RULE.to_owned(), for_ms: 0 };
    let long = Verdict { reason: "é".repeat(10_000), ..verdict(1, Severity::Error) };
    book.evaluate(0, &at_once, Evaluation::Verdicts(&[long]));
    assert_eq!(book.alerts().next().unwrap().reason.len(), 1_024);
    book.evaluate(1, &at_once, Evaluation::Verdicts(&[]));
    assert_eq!(book.alerts().count(), 1);
    book.evaluate(1 + RESOLVED_KEPT_MS, &at_once, Evaluation::Verdicts(&[]));
    assert_eq!(book.alerts().count(), 0);
}
