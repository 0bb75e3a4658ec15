//! What to keep in a cache: the trait that an author implements, and the values that cross.
//!
//! One instance decides for one shard. The host owns the table and corrects what does not fit it; the strategy mirrors
//! what it needs and names victims.

mod budget;
mod component;
mod decision;
mod strategy;
mod victims;

pub use budget::entries_expected;
pub use component::Component;
pub use decision::Decision;
pub use strategy::Caching;
pub use victims::Victims;

pub use crate::bindings::caching::exports::switchyard::caching::caching::{
    Budget, Entry, Event, EventKind, Load, Resident, Tiers, Unit,
};
