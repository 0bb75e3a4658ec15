//! Which task runs next: the trait that an author implements, and the values that cross.
//!
//! One instance decides for every queue of its slot. The host owns the queues and keeps every task until somebody has acknowledged it; the
//! strategy says where a task stands, and when one that failed is tried again.

mod backoff;
mod component;
mod strategy;

pub use backoff::Backoff;
pub use component::Component;
pub use strategy::Scheduling;

pub use crate::bindings::scheduling::exports::switchyard::scheduling::scheduling::{
    Event, EventKind, Failure, Load, Placement, QueueView, Resident, Retry, Task, Verdict,
};

impl Placement {
    /// To run as soon as its rank lets it.
    pub const fn at(rank: f64) -> Self {
        Self { rank, delay_ms: 0 }
    }
}
