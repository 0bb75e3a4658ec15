use std::borrow::Cow;

use crate::Label;

/// How a figure behaves over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// What is now.
    Gauge,
    /// What has been counted since the start: never falls, except to begin again.
    Counter,
}

/// One figure of an engine or of the machine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name by OpenTelemetry's conventions: words separated by dots, no unit.
    pub name: Cow<'static, str>,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// The unit in UCUM's short form, as OpenTelemetry writes it: `By`, `s`, `1`, `{request}`.
    pub unit: &'static str,
    /// How it behaves.
    pub kind: FigureKind,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Its value. One that is not finite is left out and counted.
    pub value: f64,
}

impl Figure {
    /// A gauge without labels.
    pub fn gauge(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        description: &'static str,
        value: f64,
    ) -> Self {
        Self { name: name.into(), description, unit, kind: FigureKind::Gauge, labels: Vec::new(), value }
    }

    /// A counter without labels.
    pub fn counter(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        description: &'static str,
        value: f64,
    ) -> Self {
        Self { kind: FigureKind::Counter, ..Self::gauge(name, unit, description, value) }
    }

    /// The same figure with one more label.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }
}
