//! What is worth waking somebody for: the trait that an author implements, and the values that cross.
//!
//! One instance decides for one group of rules. The host owns the series and the alerts: a strategy says which series are not
//! normal now, the host holds an alert back until that has lasted, keeps it firing, and resolves it.

mod component;
mod notification;
mod rows;
mod strategy;

/// Verdicts of one answer: more, and the host refuses the whole answer.
pub const VERDICTS_MAX: usize = 4_096;
/// Bytes of a rule's name.
pub const RULE_BYTES_MAX: usize = 100;
/// Bytes of a reason and of a notification's title; what is longer is cut.
pub const REASON_BYTES_MAX: usize = 500;
/// Bytes of the evidence and of a notification's text; what is longer is cut.
pub const EVIDENCE_BYTES_MAX: usize = 2_000;

pub use component::Component;
pub use rows::Row;
pub use strategy::Alerting;

pub use crate::bindings::alerting::exports::switchyard::alerting::alerting::{
    Alert, Columns, Load, Notification, Phase, Severity, Texts, Verdict,
};
