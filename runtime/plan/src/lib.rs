//! The pure planner: from the declared strategies and routes and a node's id and
//! labels to what that node runs. The server and every node
//! call the same functions, so publishing costs one transaction however many nodes there are.
//!
//! What this is not: there is no I/O here, no clock and no randomness. The same documents in any order give the same
//! plan. What makes a plan come true is the node's reconciler.
//!
//! Start reading at [`plan`]; [`DesiredState`] is its result, and [`conflicts`] and [`route_conflict`] are the questions that
//! the server asks before it accepts a strategy or a route.

mod conflicts;
mod desired;
mod planner;
mod routes;

pub use conflicts::conflicts;
pub use desired::{DesiredRoute, DesiredSlot, DesiredState};
pub use planner::{NodeView, plan, winners};
pub use routes::{RouteConflict, route_conflict};
