use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// A label: name and value.
pub type Label = (Arc<str>, Arc<str>);

/// What a series is called: the name of its metric and its labels, sorted by name. Names are as they were posted, with
/// dots; only the exposition rewrites them. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Series(Arc<Identity>);

struct Identity {
    metric: Arc<str>,
    labels: Box<[Label]>,
}

/// The form on disk and in JSON.
#[derive(Serialize, Deserialize)]
struct Parts {
    metric: Arc<str>,
    labels: Vec<Label>,
}

impl From<Parts> for Series {
    fn from(parts: Parts) -> Self {
        Self::new(parts.metric, parts.labels)
    }
}

impl From<Series> for Parts {
    fn from(series: Series) -> Self {
        Self { metric: Arc::clone(&series.0.metric), labels: series.0.labels.to_vec() }
    }
}

impl Series {
    /// A series. Labels are sorted; of two with the same name the later one stays.
    pub fn new(metric: impl Into<Arc<str>>, labels: Vec<Label>) -> Self {
        let metric = metric.into();
        let labels = sorted(labels);
        Self(Arc::new(Identity { metric, labels: labels.into() }))
    }

    /// The name of the metric.
    pub fn metric(&self) -> &Arc<str> {
        &self.0.metric
    }

    /// Its labels by name.
    pub fn labels(&self) -> &[Label] {
        &self.0.labels
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let at = self.0.labels.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.labels.get(at).map(|(_, value)| &**value)
    }

    /// Its labels as text: `key="value"`, comma between, sorted by key.
    pub fn labels_text(&self) -> String {
        let labels = self.labels().iter().map(|(name, value)| format!("{name}={value:?}"));
        labels.collect::<Vec<_>>().join(",")
    }
}

fn sorted(mut labels: Vec<Label>) -> Vec<Label> {
    labels.reverse();
    // Stable: of equal names the one that came last is first now, and stays.
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    labels.dedup_by(|later, first| later.0 == first.0);
    labels
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.metric == other.0.metric && self.0.labels == other.0.labels)
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.metric.hash(state);
        self.0.labels.hash(state);
    }
}

impl PartialOrd for Series {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Series {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.0.metric, &self.0.labels).cmp(&(&other.0.metric, &other.0.labels))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        if self.labels().is_empty() { Ok(()) } else { write!(f, "{{{}}}", self.labels_text()) }
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)]) -> Series {
        Series::new("m", labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn the_order_of_labels_does_not_matter_and_the_last_of_a_name_stays() {
        assert_eq!(series(&[("b", "2"), ("a", "1")]), series(&[("a", "1"), ("b", "2")]));
        assert_eq!(series(&[("a", "1"), ("a", "2")]), series(&[("a", "2")]));
        assert_eq!(series(&[("b", "2"), ("a", "1")]).to_string(), r#"m{a="1",b="2"}"#);
        assert_eq!(series(&[("b", "2"), ("a", "1")]).label("b"), Some("2"));
    }

    #[test]
    fn a_series_survives_json() {
        let before = series(&[("a", "1")]);
        let text = serde_json::to_string(&before).unwrap();
        let after: Series = serde_json::from_str(&text).unwrap();
        assert_eq!(before, after);
    }
}
