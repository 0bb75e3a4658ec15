//! Thresholds: a rule has a normal, a warning and a critical bound, and a time that the condition must last.
//!
//! An alert begins at the warning bound and ends at the normal one; in between what fires goes on and nothing begins, so a value
//! that trembles about a bound does not page twice (hysteresis). What must be remembered for that is which alerts exist, and
//! the host tells it: there is no state to export. Start reading at [`Threshold`].

mod rule;

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    alerting::{Alert, Alerting, Columns, Row, Severity, Verdict},
    export_alerting,
};

pub use rule::Rule;

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

impl Threshold {
    fn judge(&mut self, place: usize, row: &Row<'_>) -> Option<Verdict> {
        let rule = self.rules.get(place)?;
        // First what most rows are: normal, at the price of two comparisons.
        let severity = rule.level(row.value, || self.abnormal.get(&(place, row.series)).copied())?;
        if !rule.selects(row) {
            return None;
        }
        self.next.insert((place, row.series), severity);
        Some(Verdict {
            rule: rule.name.clone(),
            series: row.series,
            severity,
            value: row.value,
            for_ms: rule.for_ms,
            reason: rule.reason(row, severity),
            evidence: format!("{}{{{}}} = {}", row.name, row.labels, row.value),
        })
    }
}

impl Alerting for Threshold {
    type Configuration = Configuration;

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
        let mut verdicts = Vec::new();
        // Rows of one metric tend to stand together: its rules are looked up once for them.
        let mut known: (&str, Vec<usize>) = ("", Vec::new());
        for row in columns.rows() {
            if known.0 != row.name {
                known = (row.name, self.by_metric.get(row.name).cloned().unwrap_or_default());
            }
            verdicts.extend(known.1.iter().filter_map(|place| self.judge(*place, &row)));
        }
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
