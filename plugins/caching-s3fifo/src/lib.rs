//! S3-FIFO: a small queue on probation, a main queue that gives second chances, and a ghost queue of ids that left
//! probation too early (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).
//!
//! The variant is the one with which libCacheSim's figures are made: small has a tenth of the budget, main the rest, the
//! ghost is as long as main; an entry that leaves small with two hits or more goes to main, else only its id to the
//! ghost; what comes back while its id is there enters main. Sizes are weights in the budget's unit.
//!
//! What this is not: a queue per size class or an adaptive share; shares are fixed by the configuration. Start reading
//! at `policy.rs`, the three queues; `plugin.rs` joins them to the contract, `state.rs` writes them down.

mod configuration;
mod plugin;
mod policy;
mod state;
#[cfg(test)]
mod tests;

pub use configuration::Configuration;
pub use plugin::S3Fifo;
