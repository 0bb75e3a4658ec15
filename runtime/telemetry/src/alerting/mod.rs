//! The life cycle of alerts. A strategy says which series are how bad (a [`Verdict`]); what becomes of it is decided here:
//! pending until it has lasted, firing once, resolved when a strategy that answers no longer names it. An [`AlertBook`] is
//! a value without clock, lock or network; [`Alerts`] is the handle on the one of a node, which notifies and persists.

mod alert;
mod alerts;
mod book;
mod change;
mod client;
mod file;
mod log;
mod payload;
mod queue;
mod verdict;
mod webhook;

pub use alert::{Alert, AlertState, ListedAlert};
pub use alerts::{AlertFigures, Alerts};
pub use book::{ALERTS_MAX, AlertBook, AlertRule, DEGRADED_RULE, Evaluation, Refused};
pub use change::{Change, ChangeKind};
pub use verdict::{Severity, Verdict};
pub use webhook::WebhookConfig;

pub(crate) use file::AlertsFile;
pub(crate) use webhook::Webhook;
