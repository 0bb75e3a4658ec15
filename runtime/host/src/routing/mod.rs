//! The routing kind: what crosses to its plugins, and the slot that a route asks.

mod calls;
mod corpus;
mod kind;
mod slot;
mod table;
mod types;

pub(crate) use kind::Routing;
pub use slot::RoutingSlot;
pub use table::RouteTable;
pub use types::{
    Backend, CANDIDATES_MAX, Candidate, Choice, LATENCY_DEAD, Load, Method, ORDER_MAX, OUTCOMES_MAX, Outcome,
    OutcomeKind, PATH_BYTES_MAX, Request, Resident, Wants,
};
