use std::{borrow::Cow, fmt, sync::Arc};

/// One figure of an engine or of the machine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name by OpenTelemetry's conventions: words separated by dots, no unit.
    pub name: Cow<'static, str>,
    /// The unit in UCUM's short form, as OpenTelemetry writes it: `By`, `s`, `1`, `{request}`.
    pub unit: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Its labels: name and value.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Its value, which tells how it behaves over time.
    pub value: FigureValue,
}

/// A value that is not finite is no figure: whoever reads it leaves it out and counts it.
#[derive(Debug, Clone, PartialEq)]
pub enum FigureValue {
    /// What is now.
    Gauge(f64),
    /// What has been counted since the start: never falls, except to begin again.
    Counter(f64),
    /// What has been observed since the start.
    Histogram {
        /// The sum of all observations.
        sum: f64,
        /// Upper bounds, rising, each part of its bucket.
        bounds: &'static [f64],
        /// How often an observation fell into each bucket, and last how often into none of them.
        buckets: Box<[u64]>,
    },
}

impl Figure {
    /// A gauge without labels.
    pub fn gauge(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        description: &'static str,
        value: f64,
    ) -> Self {
        Self { name: name.into(), unit, description, labels: Vec::new(), value: FigureValue::Gauge(value) }
    }

    /// A counter without labels.
    pub fn counter(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        description: &'static str,
        value: f64,
    ) -> Self {
        Self { value: FigureValue::Counter(value), ..Self::gauge(name, unit, description, 0.0) }
    }

    /// The same figure with one more label.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// The number that it is; none for a histogram, which is many.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            FigureValue::Gauge(value) | FigureValue::Counter(value) => Some(value),
            FigureValue::Histogram { .. } => None,
        }
    }
}

/// `name`, or with labels `name{label=value,…}`: as it stands in a node's status.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (place, (name, value)) in self.labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            write!(f, "{before}{name}={value}")?;
        }
        if self.labels.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_shows_its_labels() {
        let figure = Figure::counter("requests", "{request}", "", 3.0);
        assert_eq!((figure.to_string(), figure.number()), ("requests".to_owned(), Some(3.0)));
        assert_eq!(figure.with("a", "1").with("b", "2").to_string(), "requests{a=1,b=2}");
    }
}
