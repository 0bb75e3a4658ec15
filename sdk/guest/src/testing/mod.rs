//! Drivers that run a strategy natively: ordinary tests, an ordinary debugger, no WebAssembly.
//!
//! [`CacheDriver`] is a cache of one shard around a strategy. It keeps the contract's order of calls, holds the
//! strategy to the contract, and counts what it got wrong. [`shake`] puts a strategy through everything that can happen.
//! [`QueueDriver`] and [`RouteDriver`] are the same for scheduling and routing: a queue and a route with a clock of their own.
//! Alerting and scoring have no engine to play: call their `Component` with [`columns`] and [`table`].

mod cache_driver;
mod columns;
mod figures;
mod host_calls;
mod queue_driver;
mod route_driver;
mod shake;
mod table;

pub use cache_driver::CacheDriver;
pub use columns::{columns, table};
pub use figures::Figures;
pub use host_calls::{HostCall, take_host_calls};
pub(crate) use host_calls::{count, log, set};
pub use queue_driver::QueueDriver;
pub use route_driver::RouteDriver;
pub use shake::shake;

/// Spreads small numbers over all 64 bits, as a node's keyed hash does: a strategy must not see that an id is new
/// because it is the largest so far. (splitmix64, Steele, Lea and Flood 2014.)
pub fn spread(id: u64) -> u64 {
    let mut z = id.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
