use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::alerting::{RULE_BYTES_MAX, Row, Severity};

/// Rules of one configuration.
pub(crate) const RULES_MAX: usize = 1_000;
/// Bytes of a metric's name.
const METRIC_BYTES_MAX: usize = 255;
/// Labels of one rule.
const LABELS_MAX: usize = 16;
/// The longest that a condition may have to last, in milliseconds: a week.
const FOR_MS_MAX: u64 = 604_800_000;
/// The alert that the node itself fires while its strategy does not answer.
const RESERVED: &str = "StrategyDegraded";

/// What a value is by a rule, where it is not normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) severity: Severity,
    /// Between normal and warning: what fires goes on, and nothing begins or ripens.
    pub(crate) holds: bool,
}

/// One rule: a metric, and where it stops being normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name: with the series it makes an alert.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// The metric that it looks at.
    #[schemars(length(min = 1, max = 255))]
    pub metric: String,
    /// Labels that a series must have, each as `key="value"`; none: every series of the metric.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub labels: Vec<String>,
    /// Where an alert ends: the value has to come back to this side of it. Between here and `warning` an alert that fires goes
    /// on as a warning, none begins, and one that is pending ends.
    pub normal: f64,
    /// From here on it is a warning, unless it was critical before: that it stays until the value is back on this side.
    pub warning: f64,
    /// From here on it is critical. Below `warning`: low values are the bad ones.
    pub critical: f64,
    /// How long it must last before the alert fires, in milliseconds.
    #[serde(default)]
    #[schemars(range(max = 604_800_000_u64))]
    pub for_ms: u64,
}

impl Rule {
    pub(crate) fn new(name: &str, metric: &str, [normal, warning, critical]: [f64; 3], for_ms: u64) -> Self {
        let (name, metric) = (name.to_owned(), metric.to_owned());
        Self { name, metric, labels: Vec::new(), normal, warning, critical, for_ms }
    }

    /// What no host would take is refused before it runs: a name that is too long would bring the strategy down at its first
    /// verdict, on the day of the incident.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let refused = |what: String| Err(format!("configuration key \"rules\": rule {name:?} {what}"));
        if name.is_empty() || name.len() > RULE_BYTES_MAX || name.chars().any(char::is_control) {
            return refused(format!("has a name that is not 1 to {RULE_BYTES_MAX} bytes without control characters"));
        }
        if name == RESERVED {
            return refused("has the name of the node's own alert: choose another".to_owned());
        }
        if self.metric.is_empty() || self.metric.len() > METRIC_BYTES_MAX {
            return refused(format!("has a metric whose name is not 1 to {METRIC_BYTES_MAX} bytes"));
        }
        if self.labels.len() > LABELS_MAX {
            return refused(format!("has {} labels: at most {LABELS_MAX}", self.labels.len()));
        }
        if self.for_ms > FOR_MS_MAX {
            return refused(format!("has for_ms {}: at most {FOR_MS_MAX}, a week", self.for_ms));
        }
        self.check_bounds()
    }

    /// Bounds are in order, upwards or downwards.
    fn check_bounds(&self) -> Result<(), String> {
        let up = self.normal <= self.warning && self.warning <= self.critical;
        let down = self.normal >= self.warning && self.warning >= self.critical;
        match up || down {
            true => Ok(()),
            false => Err(format!(
                "configuration key \"rules\": rule {:?} has the bounds normal {}, warning {}, critical {}: expected them in \
                 rising order, or in falling order where low values are bad",
                self.name, self.normal, self.warning, self.critical
            )),
        }
    }

    /// How far the value lies on the bad side of a bound; 0 or more: on it or beyond.
    fn beyond(&self, value: f64, bound: f64) -> bool {
        if self.critical >= self.normal { value >= bound } else { value <= bound }
    }

    /// What the value is, for a series that was `before`; none: normal.
    pub(crate) fn level(&self, value: f64, before: impl Fn() -> Option<Severity>) -> Option<Level> {
        let level = |severity, holds| Some(Level { severity, holds });
        if self.beyond(value, self.critical) {
            level(Severity::Critical, false)
        } else if self.beyond(value, self.warning) {
            // Hysteresis: what trembles about the critical bound changes its severity once.
            let critical = before() == Some(Severity::Critical);
            level(if critical { Severity::Critical } else { Severity::Warning }, false)
        } else if value != self.normal && self.beyond(value, self.normal) {
            // And here: what fires goes on, as a warning.
            before().and_then(|_| level(Severity::Warning, true))
        } else {
            None
        }
    }

    /// Whether a series of its metric has its labels.
    pub(crate) fn selects(&self, row: &Row<'_>) -> bool {
        self.labels.iter().all(|label| row.labels().any(|has| has == label))
    }

    pub(crate) fn reason(&self, row: &Row<'_>, level: Level) -> String {
        let Self { metric, normal, warning, critical, .. } = self;
        let is = match level.severity {
            Severity::Critical if self.beyond(row.value, *critical) => format!("critical from {critical}"),
            Severity::Critical => format!("critical since it was at {critical}, until it leaves {warning}"),
            _ => format!("warning from {warning}"),
        };
        format!("{metric} is {:.4}: {is}, normal again at {normal}", row.value)
    }
}
