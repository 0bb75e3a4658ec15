//! Which backend gets a request: the trait that an author implements, and the values that cross.
//!
//! One instance decides for one shard of a route. The host counts what is in flight, checks health and tries the candidates
//! in the order that the strategy gives.

mod component;
mod strategy;

pub use component::Component;
pub use strategy::Routing;

pub use crate::bindings::routing::exports::switchyard::routing::routing::{
    Backend, Candidate, Choice, Load, Method, Outcome, OutcomeKind, Request, Resident,
};

/// Backends that one choice may name.
pub const ORDER_MAX: usize = 3;

impl Choice {
    /// The first [`ORDER_MAX`] of these, the best first.
    pub fn order(backends: impl IntoIterator<Item = u32>) -> Self {
        Self::Order(backends.into_iter().take(ORDER_MAX).collect())
    }
}
