//! The caching kind: what crosses to its plugins, and the slot that an engine asks.

mod table;
mod types;

pub use table::CacheTable;
pub use types::{Budget, Decision, Entry, Event, EventKind, Load, Resident, Unit, VICTIMS_MAX, Wants};
