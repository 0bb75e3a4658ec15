use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

/// Rows of one call, and verdicts of its answer.
pub const ROWS_MAX: usize = 4_096;
/// A condition may have to last at most so long, in milliseconds: a week.
pub const FOR_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;
/// Bytes of a rule's name.
pub const RULE_BYTES_MAX: usize = 100;
/// Bytes of a reason, a notification's title.
pub const REASON_BYTES_MAX: usize = 500;
/// Bytes of the evidence, a notification's text.
pub const EVIDENCE_BYTES_MAX: usize = 2_000;
/// Channels that one notification may name.
pub const CHANNELS_MAX: usize = 8;

/// Strings of a call, end to end.
#[derive(Debug, Clone, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Texts {
    /// All of them, in UTF-8.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<u32>,
}

impl Texts {
    /// Adds a string and returns its index; none: there is no more room for 32-bit offsets.
    pub fn push(&mut self, text: &str) -> Option<u32> {
        let index = u32::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.bytes.len() + text.len()).ok()?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(end);
        Some(index)
    }
}

/// The figures of one evaluation, a row for each series; all columns have the same length, at most [`ROWS_MAX`].
#[derive(Debug, Clone, PartialEq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Columns {
    /// Names and labels.
    pub texts: Texts,
    /// The series' number, stable as long as the series lives.
    pub series: Vec<u64>,
    /// The metric's name in `texts`.
    pub name: Vec<u32>,
    /// Its labels in `texts`: `key="value"`, comma between, sorted by key.
    pub labels: Vec<u32>,
    /// Finite.
    pub value: Vec<f64>,
}

/// How bad something is. In JSON by its name: `INFO`, `WARNING`, `ERROR`, `CRITICAL`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ComponentType, Lower, Lift,
)]
#[serde(rename_all = "UPPERCASE")]
#[component(enum)]
#[repr(u8)]
pub enum Severity {
    /// Worth knowing.
    #[component(name = "info")]
    Info,
    /// It will be bad.
    #[component(name = "warning")]
    Warning,
    /// It is bad.
    #[component(name = "error")]
    Error,
    /// Somebody has to act now.
    #[component(name = "critical")]
    Critical,
}

impl Severity {
    /// Its name, in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// A row that is not normal, or not normal again.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Verdict {
    /// The rule's name: with the series it makes an alert the same alert.
    pub rule: String,
    /// The series.
    pub series: u64,
    /// How bad it is.
    pub severity: Severity,
    /// It keeps what fires, and neither begins an alert nor lets one ripen.
    pub holds: bool,
    /// What was compared.
    pub value: f64,
    /// How long it must last before the alert fires, in milliseconds, at most [`FOR_MS_MAX`].
    #[component(name = "for-ms")]
    pub for_ms: u64,
    /// One sentence.
    pub reason: String,
    /// Figures behind the reason.
    pub evidence: String,
}

/// Where an alert is in its life. In JSON by its name: `pending`, `firing`, `resolved`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(rename_all = "lowercase")]
#[component(enum)]
#[repr(u8)]
pub enum Phase {
    /// The condition holds, and not yet long enough.
    #[component(name = "pending")]
    Pending,
    /// Somebody has been told.
    #[component(name = "firing")]
    Firing,
    /// It is over.
    #[component(name = "resolved")]
    Resolved,
}

/// An alert as the engine keeps it.
#[derive(Debug, Clone, PartialEq, ComponentType, Lower)]
#[component(record)]
pub struct Alert {
    /// Of the verdict.
    pub rule: String,
    /// Of the verdict.
    pub series: u64,
    /// The metric's name.
    pub name: String,
    /// Its labels, as in [`Columns::labels`].
    pub labels: String,
    /// Of the last verdict.
    pub severity: Severity,
    /// Where it is in its life.
    pub phase: Phase,
    /// Of the last verdict.
    pub value: f64,
    /// Of the last verdict.
    pub reason: String,
    /// Since when it has been in this phase, by the engine's clock, in milliseconds.
    #[component(name = "since-ms")]
    pub since_ms: u64,
}

/// What is sent about an alert.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct Notification {
    /// Index into the alerts of the call.
    pub alert: u32,
    /// Who gets it; none: whom the node's configuration names.
    pub channels: Vec<String>,
    /// One line.
    pub title: String,
    /// The rest.
    pub text: String,
}

/// Since the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Load {
    /// Now.
    pub series: u64,
    /// Since the last tick.
    pub evaluations: u64,
    /// Now.
    pub firing: u64,
}
