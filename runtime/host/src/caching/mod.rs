//! The caching kind: what crosses to its plugins, and the slot that an engine asks.

mod calls;
mod corpus;
mod kind;
mod slot;
mod table;
mod types;

pub(crate) use kind::Caching;
pub use slot::CachingSlot;
pub use table::CacheTable;
pub use types::{Budget, Decision, Entry, Event, EventKind, Load, Resident, Unit, VICTIMS_MAX, Wants};
