//! What the author of a Switchyard plugin imports: a trait and an export macro per kind of decision, the collections
//! that strategies are made of, and drivers that run a strategy natively in ordinary tests.
//!
//! The folders are the extension points. Five are kinds of decision: [`alerting`] says what is not normal, [`caching`] what
//! a cache keeps, [`routing`] which backend gets a request, [`scheduling`] which task runs next, [`scoring`] how healthy
//! something is. [`lifecycle`] is what every plugin has (configuration, log, counters, gauges), [`queues`] holds ids in
//! queues, [`random`] makes numbers of the seed, [`testing`] plays a host around a strategy.
//!
//! What this is not: a host. A plugin sees no clock, no file and no network; time and a seed come in as arguments, and
//! the same calls in the same order must give the same decisions.
//!
//! Start reading at [`caching::Caching`], the trait, and at `examples/fifo.rs`, the whole of a working plugin.

// The generated export macro names this crate by its name, also from inside it.
extern crate self as switchyard_sdk;

pub mod alerting;
pub mod bindings;
pub mod caching;
pub mod lifecycle;
pub mod queues;
pub mod random;
pub mod routing;
pub mod scheduling;
pub mod scoring;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;
