//! Scenarios over the whole: what the demo and the end-to-end tests share. The programs under test are started as child
//! processes and spoken to as any user would, by HTTP, RESP, the Faktory protocol and the command line.
//!
//! What this is not: a part of the product. Nothing depends on this crate.
//!
//! Start reading at [`process`] (a running `switchyard`), [`admin`] (its API) and [`load`] (its RESP port under load);
//! [`demo`] puts them together.

pub mod admin;
pub mod baselines;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod dev;
pub mod faktory;
pub mod fixtures;
pub mod fleet;
pub mod latency;
pub mod load;
pub mod machine;
pub mod paths;
pub mod process;
pub mod resp;
pub mod simulated;
pub mod workload;
