use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::alerting::{Row, Severity};

/// Rules of one configuration.
pub(crate) const RULES_MAX: usize = 1_000;

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
    /// on, and none begins.
    pub normal: f64,
    /// From here on it is a warning.
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

    /// Bounds are in order, upwards or downwards.
    pub(crate) fn check(&self) -> Result<(), String> {
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
    pub(crate) fn level(&self, value: f64, before: impl FnOnce() -> Option<Severity>) -> Option<Severity> {
        if self.beyond(value, self.critical) {
            Some(Severity::Critical)
        } else if self.beyond(value, self.warning) {
            Some(Severity::Warning)
        } else if value != self.normal && self.beyond(value, self.normal) {
            // Hysteresis: what fires goes on, as a warning.
            before().map(|_| Severity::Warning)
        } else {
            None
        }
    }

    /// Whether a series of its metric has its labels.
    pub(crate) fn selects(&self, row: &Row<'_>) -> bool {
        self.labels.iter().all(|label| row.labels.split(',').any(|has| has == label))
    }

    pub(crate) fn reason(&self, row: &Row<'_>, severity: Severity) -> String {
        let (word, bound) = match severity {
            Severity::Critical => ("critical", self.critical),
            _ => ("warning", self.warning),
        };
        format!("{} is {:.4}: {word} from {bound}, normal again at {}", self.metric, row.value, self.normal)
    }
}
