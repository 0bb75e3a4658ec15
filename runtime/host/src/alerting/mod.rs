//! The alerting kind: what crosses to its plugins, and the slot that the evaluation of rules asks.

mod calls;
mod corpus;
mod kind;
mod slot;
mod table;
mod types;

pub(crate) use kind::Alerting;
pub use slot::AlertingSlot;
pub use table::AlertTable;
pub use types::{
    Alert, CHANNELS_MAX, Columns, EVIDENCE_BYTES_MAX, FOR_MS_MAX, Load, Notification, Phase, REASON_BYTES_MAX,
    ROWS_MAX, RULE_BYTES_MAX, Severity, Texts, Verdict,
};
