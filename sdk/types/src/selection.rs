use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Digest, NodeId};

/// What a label of a node must be: one value, or one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelMatch {
    /// Just this.
    Is(String),
    /// Any of these.
    In(Vec<String>),
}

impl LabelMatch {
    fn values(&self) -> &[String] {
        match self {
            Self::Is(value) => std::slice::from_ref(value),
            Self::In(values) => values,
        }
    }
}

impl fmt::Display for LabelMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.values().join("|"))
    }
}

/// Which nodes something is for: those that have every one of these labels with a value that is asked for. Empty: every node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeSelector(pub BTreeMap<String, LabelMatch>);

impl NodeSelector {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, wanted)| labels.get(key).is_some_and(|value| wanted.values().contains(value)))
    }

    /// Whether one node could be meant by both: no label is asked for without a common value.
    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().all(|(key, mine)| {
            let common = |theirs: &LabelMatch| mine.values().iter().any(|value| theirs.values().contains(value));
            other.0.get(key).is_none_or(common)
        })
    }
}

/// A share of the fleet in percent, in steps of a hundredth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u16);

impl Percent {
    const NONE: Self = Self(0);
    const ALL: Self = Self(10_000);
}

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(percent: f64) -> Result<Self, String> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{percent} is not a share in percent: expected 0 to 100"));
        }
        // In range: at most 10,000 steps.
        Ok(Self((percent * 100.0).round() as u16))
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        Self::from(percent.0) / 100.0
    }
}

/// A part of the fleet by a stable hash of the nodes' ids: a node keeps its place for ever, so that a growing share keeps the
/// nodes that it has. The hash is the first 48 bits of SHA-256 over salt, a line feed and id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    /// Where the part begins.
    #[serde(default = "none")]
    pub from_percent: Percent,
    /// Where it ends; the end does not belong to it.
    #[serde(default = "all")]
    pub to_percent: Percent,
    /// Mixes the places anew: cohorts of one salt can be laid beside each other, those of two know nothing of each other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub salt: String,
}

fn none() -> Percent {
    Percent::NONE
}

fn all() -> Percent {
    Percent::ALL
}

impl Default for Cohort {
    fn default() -> Self {
        Self { from_percent: Percent::NONE, to_percent: Percent::ALL, salt: String::new() }
    }
}

/// Characters of a salt.
const SALT_CHARS_MAX: usize = 63;

impl Cohort {
    /// Whether it is the whole fleet: then it is not written down.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Why it is none, for the person who wrote it.
    pub fn check(&self) -> Result<(), String> {
        if self.from_percent >= self.to_percent {
            return Err("cohort: from_percent must be below to_percent, else it has no node".to_owned());
        }
        if self.salt.chars().count() > SALT_CHARS_MAX {
            return Err(format!("cohort.salt: it has over {SALT_CHARS_MAX} characters"));
        }
        Ok(())
    }

    fn contains(&self, node: &NodeId) -> bool {
        (self.from_percent.0..self.to_percent.0).contains(&self.place(node))
    }

    /// Of a node, in hundredths of a percent.
    fn place(&self, node: &NodeId) -> u16 {
        let hex = Digest::of(format!("{}\n{node}", self.salt).as_bytes()).hex();
        let bits = hex.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default();
        // 48 bits times 10,000 fit, and the quotient is below 10,000.
        ((bits * u64::from(Percent::ALL.0)) >> 48) as u16
    }

    fn overlaps(&self, other: &Self) -> bool {
        let apart = self.to_percent <= other.from_percent || other.to_percent <= self.from_percent;
        self.salt != other.salt || !apart
    }
}

/// Which nodes a document is for: labels and cohort together.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Labels that a node must have.
    pub selector: &'a NodeSelector,
    /// The part of the fleet that it must belong to.
    pub cohort: &'a Cohort,
}

impl Selection<'_> {
    /// Whether this node is meant.
    pub fn matches(&self, node: &NodeId, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels) && self.cohort.contains(node)
    }

    /// Whether one node could be meant by both.
    pub fn overlaps(&self, other: &Selection<'_>) -> bool {
        self.selector.overlaps(other.selector) && self.cohort.overlaps(other.cohort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn check(one: (Value, Value), two: (Value, Value), overlap: bool) {
        let read = |(selector, cohort)| (read::<NodeSelector>(selector), read::<Cohort>(cohort));
        let (one, two) = (read(one), read(two));
        let [a, b] = [&one, &two].map(|(selector, cohort)| Selection { selector, cohort });
        assert_eq!((a.overlaps(&b), b.overlaps(&a)), (overlap, overlap), "{one:?} {two:?}");
    }

    #[test]
    fn selections_overlap_unless_a_label_or_the_cohort_keeps_them_apart() {
        let label = |labels: Value| (labels, json!({}));
        check(label(json!({})), label(json!({"region": "eu"})), true);
        check(label(json!({"region": "eu"})), label(json!({"disk": "ssd"})), true);
        check(label(json!({"region": "eu"})), label(json!({"region": "us"})), false);
        check(label(json!({"region": ["eu", "us"]})), label(json!({"region": ["us", "ap"]})), true);
        check(label(json!({"region": ["eu", "us"]})), label(json!({"region": "ap"})), false);
        let part = |cohort: Value| (json!({}), cohort);
        let (low, high) = (json!({"to_percent": 10}), json!({"from_percent": 10}));
        check(part(low.clone()), part(high.clone()), false);
        check(part(low.clone()), part(json!({"from_percent": 9.99})), true);
        check(part(low), part(json!({"from_percent": 10, "salt": "x"})), true);
    }

    #[test]
    fn a_label_must_be_there_with_a_wanted_value() {
        let labels: BTreeMap<String, String> = read(json!({"region": "eu", "disk": "ssd"}));
        let matches = |selector: Value| {
            let (selector, cohort) = (read::<NodeSelector>(selector), Cohort::default());
            Selection { selector: &selector, cohort: &cohort }.matches(&"node-1".parse().unwrap(), &labels)
        };
        assert!(matches(json!({})) && matches(json!({"region": "eu"})) && matches(json!({"region": ["us", "eu"]})));
        assert!(!matches(json!({"region": "us"})) && !matches(json!({"rack": "1"})) && !matches(json!({"region": []})));
    }

    #[test]
    fn a_cohort_has_its_share_keeps_its_nodes_and_is_the_same_for_ever() {
        let nodes: Vec<NodeId> = (0..10_000).map(|n| format!("node-{n}").parse().unwrap()).collect();
        let members = |cohort: Value| {
            let cohort: Cohort = read(cohort);
            nodes.iter().filter(|node| cohort.contains(node)).collect::<Vec<_>>()
        };
        let (ten, twenty) = (members(json!({"to_percent": 10})), members(json!({"to_percent": 20})));
        assert!((900..1_100).contains(&ten.len()), "{}", ten.len());
        assert!(ten.iter().all(|node| twenty.contains(node)));
        let rest = members(json!({"from_percent": 10}));
        assert_eq!(ten.len() + rest.len(), nodes.len());
        assert!(members(json!({"to_percent": 10, "salt": "b"})) != ten);
        // These places are a promise: another hash would move a canary.
        let place = |salt: &str, node: &str| {
            Cohort { salt: salt.to_owned(), ..Cohort::default() }.place(&node.parse().unwrap())
        };
        assert_eq!([place("", "node-1"), place("", "node-2"), place("b", "node-1")], PLACES);
    }

    const PLACES: [u16; 3] = [393, 1228, 1332];

    #[test]
    fn shares_are_percent() {
        assert_eq!(json!(read::<Percent>(json!(12.34))), json!(12.34));
        for wrong in [json!(-1), json!(100.1), json!("10"), json!(null)] {
            assert!(serde_json::from_value::<Percent>(wrong).is_err());
        }
        assert!(read::<Cohort>(json!({"from_percent": 10, "to_percent": 10})).check().is_err());
        assert!(serde_json::from_value::<Cohort>(json!({"percent": 10})).is_err());
    }
}
