//! How healthy something is, in one number that can be explained: the trait that an author implements, and the values that
//! cross.
//!
//! The host gathers the measures and keeps the scores.

mod component;
mod strategy;
mod table;

/// Bytes of a sentence: evidence, a finding, its advice. What is longer is cut.
pub const SENTENCE_BYTES_MAX: usize = 500;

pub use component::Component;
pub use strategy::Scoring;

pub use crate::bindings::scoring::exports::switchyard::scoring::scoring::{
    Column, Finding, Load, Part, Resident, ScopeScore as Score, Severity, Table, Texts, Values,
};
