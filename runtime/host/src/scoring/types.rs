use serde::Serialize;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::alerting::{Severity, Texts};

/// Scores of one answer.
pub const SCORES_MAX: usize = 256;
/// Parts of a score.
pub const PARTS_MAX: usize = 16;
/// Findings of a score.
pub const FINDINGS_MAX: usize = 32;
/// Bytes of a scope's and a part's name.
pub const NAME_BYTES_MAX: usize = 100;
/// Bytes of a sentence.
pub const SENTENCE_BYTES_MAX: usize = 500;

/// The values of a column.
#[derive(Debug, Clone, PartialEq, ComponentType, Lower)]
#[component(variant)]
pub enum Values {
    /// Finite numbers.
    #[component(name = "f64s")]
    F64s(Vec<f64>),
    /// Whole numbers.
    #[component(name = "s64s")]
    S64s(Vec<i64>),
    /// Strings.
    #[component(name = "texts")]
    Texts(Texts),
}

/// One measure of all rows.
#[derive(Debug, Clone, PartialEq, ComponentType, Lower)]
#[component(record)]
pub struct Column {
    /// Of the measure.
    pub name: String,
    /// As many as the table has rows.
    pub values: Values,
}

/// Rows of one kind of thing.
#[derive(Debug, Clone, PartialEq, ComponentType, Lower)]
#[component(record)]
pub struct Table {
    /// Of the kind of thing.
    pub name: String,
    /// All of the same length.
    pub columns: Vec<Column>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, ComponentType, Lift)]
#[component(record)]
pub struct Part {
    /// What it measures.
    pub name: String,
    /// Its share of the whole, 0 to 1.
    pub weight: f64,
    /// 0 to 100; none: nothing was measured.
    pub value: Option<f64>,
    /// The figures that it was made of.
    pub evidence: String,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ComponentType, Lift)]
#[component(record)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub advice: String,
}

/// How healthy something is.
#[derive(Debug, Clone, PartialEq, Serialize, ComponentType, Lift)]
#[component(record)]
pub struct Score {
    /// What was scored.
    pub scope: String,
    /// 0 to 100; none: nothing was measured.
    pub value: Option<f64>,
    /// What it was made of.
    pub parts: Vec<Part>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The value that is expected in an hour.
    pub forecast: Option<f64>,
}

/// A score as the engine keeps it, for an instance that takes over.
#[derive(Debug, Clone, PartialEq, ComponentType, Lower)]
#[component(record)]
pub struct Resident {
    /// What was scored.
    pub scope: String,
    /// 0 to 100.
    pub value: f64,
    /// When, by the engine's clock, in milliseconds.
    #[component(name = "at-ms")]
    pub at_ms: u64,
}

/// Since the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Load {
    /// Given since then.
    pub scores: u64,
}
