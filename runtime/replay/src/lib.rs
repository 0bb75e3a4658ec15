//! Recorded traces through a strategy, by the engine's own code: what a replay says is what the same cache would have
//! done on a node, with time, seed and order fixed.
//!
//! What this is not: it has no simulated cache beside the engine's (the exception is [`reference`], which exists to be
//! compared with), no network, and no printing.
//!
//! [`schedule`] and [`route`] are the same for recorded jobs and requests.
//!
//! Start reading at [`TraceReader`] (a file becomes requests) and [`Replay`] (requests become a hit ratio).

pub mod id;
mod object_sizes;
mod outcome;
pub mod reference;
mod replay;
pub mod route;
pub mod schedule;
mod size;
mod trace;

pub use outcome::Outcome;
pub use replay::{Candidate, Job, Progress, Replay, ReplayError};
pub use size::{Size, SizeError};
pub use trace::{Position, Request, TraceError, TraceReader};
