use serde::{Deserialize, Serialize};

use crate::Series;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a problem if it goes on.
    Warning,
    /// Is a problem.
    Error,
    /// Somebody has to act now.
    Critical,
}

impl Severity {
    /// Its name: `INFO`, `WARNING`, `ERROR`, `CRITICAL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What a strategy says of one series. Series that it does not name are well.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Which series.
    pub series: Series,
    /// How bad it is.
    pub severity: Severity,
    /// The value that was judged.
    pub value: f64,
    /// Why, in a sentence.
    pub reason: String,
    /// What it was judged by: names and values.
    pub evidence: Vec<(String, String)>,
}
