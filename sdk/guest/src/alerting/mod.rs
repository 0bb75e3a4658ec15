//! What is worth waking somebody for: the trait that an author implements, and the values that cross.
//!
//! One instance decides for one group of rules. The host owns the series and the alerts: a strategy says which series are not
//! normal now, the host holds an alert back until that has lasted, keeps it firing, and resolves it.

mod component;
mod notification;
mod rows;
mod strategy;

pub use component::Component;
pub use rows::Row;
pub use strategy::Alerting;

pub use crate::bindings::alerting::exports::switchyard::alerting::alerting::{
    Alert, Columns, Load, Notification, Phase, Severity, Texts, Verdict,
};
