//! The pure planner: from the declared strategies and a node's labels to what that node runs. The server and every node
//! call the same functions, so publishing costs one transaction however many nodes there are.
//!
//! What this is not: there is no I/O here, no clock and no randomness. The same documents in any order give the same
//! plan. What makes a plan come true is the node's reconciler.
//!
//! Start reading at [`plan`]; [`DesiredState`] is its result, and [`conflicts`] is the question that the server asks
//! before it accepts a strategy.

mod conflicts;
mod desired;
mod planner;

pub use conflicts::conflicts;
pub use desired::{DesiredSlot, DesiredState};
pub use planner::plan;
