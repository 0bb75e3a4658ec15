//! The scheduling kind: what crosses to its plugins, and the slot that a queue asks.

mod calls;
mod corpus;
mod kind;
mod slot;
mod table;
mod types;

pub(crate) use kind::Scheduling;
pub use slot::SchedulingSlot;
pub use table::QueueTable;
pub use types::{
    DELAY_MS_MAX, Event, EventKind, Failure, Load, Placement, QueueView, RANKED_MAX, REASON_BYTES_MAX, Resident, Retry,
    Task, Verdict, Wants,
};
