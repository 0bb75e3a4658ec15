//! Telemetry: figures in, figures out, and what follows from them.
//!
//! A [`Telemetry`] keeps the last minutes of every series: of the machine, of the engines that registered as a source, and
//! of whoever posts OTLP. It answers questions over windows ([`Query`]), is written out for Prometheus, and has strategies
//! judge it: [`alerting`] holds the life cycle of alerts, [`scoring`] the last score of each scope. A
//! [`TelemetryService`] serves all of it. Every store has a bound: what is over it is refused and counted, and what is
//! there goes on.
//!
//! What this is not: a database (nothing but active alerts outlives the process), a judge (strategies decide what is bad
//! and how well something is), or a collector (nothing is passed on). Start reading at `store/mod.rs`, then
//! `otlp/intake.rs`, `alerting/evaluator.rs` and `alerting/book.rs`.

pub mod alerting;
pub mod scoring;

mod clock;
mod config;
mod counters;
mod error;
mod exposition;
mod host;
mod http;
mod otlp;
mod overview;
mod series;
mod service;
mod sources;
mod store;
mod telemetry;

pub use config::TelemetryConfig;
pub use error::TelemetryError;
pub use http::router;
pub use series::{Label, Series};
pub use service::TelemetryService;
pub use store::{Query, Reading, Refusal, Selector};
pub use telemetry::Telemetry;
