//! Thresholds: a rule has a normal, a warning and a critical bound, and a time that the condition must last.
//!
//! An alert begins at the warning bound and ends at the normal one; in between what fires goes on, nothing begins and what is
//! pending ends. What was critical stays so until it is below the warning bound. So a value that trembles about any one bound
//! pages once (hysteresis). What must be remembered for that is which alerts exist, and the host tells it: there is no
//! state to export. Start reading at [`Threshold`].

mod rule;

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    alerting::{Alert, Alerting, Columns, Row, Severity, VERDICTS_MAX, Verdict},
    export_alerting,
    lifecycle::Counter,
};

use rule::Level;
pub use rule::Rule;

/// Rows that are not normal and had no place in an answer.
const DROPPED: Counter = Counter::new(0);

/// What an operator can set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The rules; each has a name of its own.
    #[schemars(length(max = 1000))]
    pub rules: Vec<Rule>,
}

impl Default for Configuration {
    /// What a node and the service behind it should be watched for, whoever they are.
    fn default() -> Self {
        let minute = 60_000;
        let memory = Rule::new("MemoryHigh", "system.memory.utilization", [0.65, 0.7, 0.8], minute);
        // The metric has a series for free memory too, which is fine when it is high.
        let memory = Rule { labels: vec!["system.memory.state=\"used\"".into()], ..memory };
        Self {
            rules: vec![
                Rule::new("ErrorRateHigh", "http.server.error.ratio", [0.005, 0.01, 0.05], minute),
                Rule::new("ResponseSlow", "http.server.request.duration", [1.5, 2.0, 10.0], minute),
                memory,
                Rule::new("CpuHigh", "system.cpu.utilization", [0.75, 0.8, 0.9], minute),
            ],
        }
    }
}

/// The strategy.
#[derive(Debug)]
pub struct Threshold {
    rules: Vec<Rule>,
    /// Places of a metric's rules.
    by_metric: HashMap<String, Vec<usize>>,
    /// What is not normal, by the rule's place and the series: as of the last evaluation.
    abnormal: HashMap<(usize, u64), Severity>,
    /// The same of the evaluation that is on its way.
    next: HashMap<(usize, u64), Severity>,
}

/// A row that is not normal by one rule.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    place: usize,
    row: Row<'a>,
    level: Level,
    /// Not for the first time.
    known: bool,
}

impl Threshold {
    fn judge<'a>(&self, place: usize, row: Row<'a>) -> Option<Found<'a>> {
        let rule = self.rules.get(place)?;
        let before = || self.abnormal.get(&(place, row.series)).copied();
        // First what most rows are: normal, at the price of two comparisons.
        let level = rule.level(row.value, before)?;
        rule.selects(&row).then(|| Found { place, row, level, known: before().is_some() })
    }

    fn verdict(&mut self, Found { place, row, level, .. }: &Found<'_>) -> Option<Verdict> {
        let rule = self.rules.get(*place)?;
        self.next.insert((*place, row.series), level.severity);
        Some(Verdict {
            rule: rule.name.clone(),
            series: row.series,
            severity: level.severity,
            holds: level.holds,
            value: row.value,
            for_ms: rule.for_ms,
            reason: rule.reason(row, *level),
            // The series stands in the alert anyway, and its labels may be long.
            evidence: format!("{} = {}", row.name, row.value),
        })
    }
}

/// No more than an answer may hold. What is known comes first: an alert that fires must not end because others begin.
fn bounded(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    if found.len() > VERDICTS_MAX {
        found.sort_by_key(|found| (!found.known, std::cmp::Reverse(found.level.severity)));
        DROPPED.add((found.len() - VERDICTS_MAX) as u64);
        found.truncate(VERDICTS_MAX);
    }
    found
}

impl Alerting for Threshold {
    type Configuration = Configuration;

    const COUNTERS: &'static [&'static str] = &["verdicts_dropped"];

    fn new(Configuration { rules }: Configuration, _seed: u64) -> Result<Self, String> {
        if rules.len() > rule::RULES_MAX {
            return Err(format!("configuration key \"rules\" has {} rules: at most {}", rules.len(), rule::RULES_MAX));
        }
        let mut names = BTreeMap::new();
        let mut by_metric: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            rule.check()?;
            if names.insert(rule.name.clone(), place).is_some() {
                return Err(format!("configuration key \"rules\": two rules are named {:?}", rule.name));
            }
            by_metric.entry(rule.metric.clone()).or_default().push(place);
        }
        Ok(Self { rules, by_metric, abnormal: HashMap::new(), next: HashMap::new() })
    }

    fn evaluate(&mut self, _now_ms: u64, columns: &Columns, last: bool) -> Vec<Verdict> {
        let mut found = Vec::new();
        // Rows of one metric tend to stand together: its rules are looked up once for them.
        let mut known: (&str, Vec<usize>) = ("", Vec::new());
        for row in columns.rows() {
            if known.0 != row.name {
                known = (row.name, self.by_metric.get(row.name).cloned().unwrap_or_default());
            }
            found.extend(known.1.iter().filter_map(|place| self.judge(*place, row)));
        }
        let verdicts = bounded(found).iter().filter_map(|found| self.verdict(found)).collect();
        if last {
            self.abnormal = std::mem::take(&mut self.next);
        }
        verdicts
    }

    fn adopt(&mut self, _now_ms: u64, alert: &Alert) {
        if let Some(place) = self.rules.iter().position(|rule| rule.name == alert.rule) {
            self.abnormal.insert((place, alert.series), alert.severity);
        }
    }
}

export_alerting!(Threshold);

#[cfg(test)]
mod tests;
