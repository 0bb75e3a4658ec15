//! The life cycle of alerts. A strategy says which series are not normal; what becomes of it is decided here: pending until
//! it has lasted, firing once, resolved when a strategy that answers no longer names it. An [`AlertBook`] is a value
//! without clock, lock or network; [`Alerts`] is the handle on the one of a node, which notifies and persists. `evaluator.rs`
//! asks the strategy.

mod alert;
mod alerts;
mod book;
mod change;
mod client;
mod evaluator;
mod figures;
mod file;
mod log;
mod notice;
mod numbers;
mod payload;
mod queue;
mod rows;
mod saved;
mod table;
mod webhook;

pub use alert::{Alert, ListedAlert};
pub use alerts::Alerts;
pub use book::{ALERTS_MAX, AlertBook, DEGRADED_RULE, Evaluation, Refused};
pub use change::{Change, ChangeKind};
pub use figures::AlertFigures;
pub use notice::{Channels, Notice};
pub use switchyard_host::alerting::{Phase, Severity, Verdict};
pub use webhook::WebhookConfig;

pub(crate) use evaluator::Evaluator;
pub(crate) use file::AlertsFile;
pub(crate) use webhook::Webhook;
