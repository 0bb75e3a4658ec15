use switchyard_sdk::{
    alerting::{Component, Phase},
    testing::columns,
};

use super::*;

fn configured(configuration: &str) -> Result<Component<Threshold>, String> {
    let mut component = Component::new();
    component.configure(configuration, 1)?;
    Ok(component)
}

fn row(value: f64) -> Row<'static> {
    Row { series: 7, name: "queue.length", labels: r#"host="a",queue="mail""#, value }
}

const RULE: &str =
    r#"{"rules": [{"name": "Long", "metric": "queue.length", "normal": 50, "warning": 80, "critical": 95}]}"#;

fn level(threshold: &mut Component<Threshold>, value: f64) -> Option<(Severity, bool)> {
    let verdicts = threshold.evaluate(0, &columns(&[row(value)]), true);
    verdicts.first().map(|verdict| (verdict.severity, verdict.holds))
}

fn severity(threshold: &mut Component<Threshold>, value: f64) -> Option<Severity> {
    let verdicts = threshold.evaluate(0, &columns(&[row(value)]), true);
    assert!(verdicts.len() <= 1);
    verdicts.first().map(|verdict| verdict.severity)
}

#[test]
fn an_alert_begins_at_warning_and_ends_at_normal() {
    let mut threshold = configured(RULE).unwrap();
    let told = [70.0, 80.0, 95.0, 79.0, 51.0, 50.0, 70.0].map(|value| severity(&mut threshold, value));
    let (warning, critical) = (Some(Severity::Warning), Some(Severity::Critical));
    assert_eq!(told, [None, warning, critical, warning, warning, None, None]);
}

#[test]
fn a_value_that_trembles_about_a_bound_changes_nothing() {
    let mut threshold = configured(RULE).unwrap();
    let (warning, critical) = (Some((Severity::Warning, false)), Some((Severity::Critical, false)));
    let held = Some((Severity::Warning, true));
    let mut check = |values: [f64; 4], expected: [Option<(Severity, bool)>; 4]| {
        assert_eq!(values.map(|value| level(&mut threshold, value)), expected);
    };
    check([96.0, 94.0, 96.0, 94.0], [critical; 4]);
    check([81.0, 79.0, 81.0, 79.0], [critical, held, warning, held]);
    check([94.0, 79.0, 51.0, 49.0], [warning, held, held, None]);
    // In the band nothing begins.
    check([51.0, 79.0, 80.0, 79.0], [None, None, warning, held]);
}

#[test]
fn an_answer_is_bounded_and_what_is_known_stays_in_it() {
    let mut threshold = configured(RULE).unwrap();
    let labels = format!("l=\"{}\"", "x".repeat(1_500));
    let rows = |series: std::ops::Range<usize>, value| -> Vec<_> {
        series.map(|series| Row { series: series as u64, labels: &labels, value, ..row(0.0) }).collect()
    };
    assert_eq!(threshold.evaluate(0, &columns(&rows(0..VERDICTS_MAX, 81.0)), true).len(), VERDICTS_MAX);
    let known = [rows(VERDICTS_MAX..VERDICTS_MAX + 500, 99.0), rows(0..VERDICTS_MAX, 81.0)].concat();
    let verdicts = threshold.evaluate(0, &columns(&known), true);
    assert!(verdicts.len() == VERDICTS_MAX && verdicts.iter().all(|verdict| verdict.series < VERDICTS_MAX as u64));
    assert!(verdicts.iter().all(|verdict| verdict.reason.len() + verdict.evidence.len() < 200));
}

#[test]
fn low_values_are_bad_where_bounds_fall() {
    let rule = RULE.replace("50", "0.9").replace("80", "0.7").replace("95", "0.5");
    let mut threshold = configured(&rule).unwrap();
    let told = [0.8, 0.7, 0.4, 0.8, 0.95].map(|value| severity(&mut threshold, value));
    let (warning, critical) = (Some(Severity::Warning), Some(Severity::Critical));
    assert_eq!(told, [None, warning, critical, warning, None]);
}

#[test]
fn hysteresis_survives_a_swap() {
    let mut threshold = configured(RULE).unwrap();
    let alert = Alert {
        rule: "Long".into(),
        series: 7,
        name: "queue.length".into(),
        labels: String::new(),
        severity: Severity::Critical,
        phase: Phase::Firing,
        value: 99.0,
        reason: String::new(),
        since_ms: 0,
    };
    threshold.adopt(0, &[alert], true);
    assert_eq!(severity(&mut threshold, 60.0), Some(Severity::Warning));
}

#[test]
fn a_rule_with_labels_sees_its_series_only() {
    let rule = |label: &str| RULE.replace("\"normal\"", &format!(r#""labels": ["queue=\"{label}\""], "normal""#));
    assert!(severity(&mut configured(&rule("mail")).unwrap(), 99.0).is_some());
    assert!(severity(&mut configured(&rule("video")).unwrap(), 99.0).is_none());
    let labels = r#"path="/a,b",queue="mail""#;
    let verdicts = configured(&rule("mail").replace(r#"queue=\"mail\""#, r#"path=\"/a,b\""#)).unwrap().evaluate(
        0,
        &columns(&[Row { labels, ..row(99.0) }]),
        true,
    );
    assert_eq!(verdicts.len(), 1, "a comma within a value");
}

#[test]
fn an_evaluation_of_several_calls_is_one() {
    let mut threshold = configured(RULE).unwrap();
    let other = Row { series: 8, ..row(60.0) };
    assert_eq!(threshold.evaluate(0, &columns(&[row(90.0)]), false).len(), 1);
    assert_eq!(threshold.evaluate(0, &columns(&[other]), true).len(), 0);
    assert_eq!(threshold.evaluate(1, &columns(&[row(60.0)]), false).len(), 1, "it goes on");
}

#[test]
fn the_default_rules_watch_a_node() {
    let mut threshold = configured("{}").unwrap();
    let metric = |series, name, value| Row { series, name, labels: "", value };
    let rows = [
        metric(1, "http.server.error.ratio", 0.02),
        metric(2, "http.server.request.duration", 11.0),
        metric(3, "system.memory.utilization", 0.69),
        Row { labels: r#"system.memory.state="free""#, ..metric(6, "system.memory.utilization", 0.99) },
        Row { labels: r#"system.memory.state="used""#, ..metric(7, "system.memory.utilization", 0.75) },
        metric(4, "system.cpu.utilization", 0.85),
        metric(5, "nobody.knows", 1e9),
    ];
    let verdicts = threshold.evaluate(0, &columns(&rows), true);
    let told: Vec<_> = verdicts.iter().map(|verdict| (verdict.rule.as_str(), verdict.severity)).collect();
    let expected = [
        ("ErrorRateHigh", Severity::Warning),
        ("ResponseSlow", Severity::Critical),
        ("MemoryHigh", Severity::Warning),
        ("CpuHigh", Severity::Warning),
    ];
    assert_eq!(told, expected);
    assert_eq!(verdicts[1].reason, "http.server.request.duration is 11.0000: critical from 10, normal again at 1.5");
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let error = configured(&RULE.replace(from, to)).err().unwrap();
        assert!(error.contains(expected), "{error}");
    };
    check("80", "40", "rising order");
    check(
        "]}",
        r#", {"name": "Long", "metric": "x", "normal": 1, "warning": 1, "critical": 1}]}"#,
        "two rules are named",
    );
    check("warning", "warn", "unknown field");
    check("Long", "", "1 to 100 bytes");
    check("Long", &"\u{e9}".repeat(51), "1 to 100 bytes");
    check("Long", "a\\nb", "control characters");
    check("Long", "StrategyDegraded", "the node's own");
    check("queue.length", "", "1 to 255 bytes");
    check("\"normal\"", "\"for_ms\": 604800001, \"normal\"", "a week");
}
