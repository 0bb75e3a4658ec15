//! The last score of each scope. A strategy scores what `service.rs` measures; here its scores are kept, and marked stale
//! while it does not answer: an old score that says so is worth more than none.

mod board;
mod entry;
mod scorer;
mod service;

pub use board::{SCOPES_MAX, Scores, TooManyScopes};
pub use entry::ScoreEntry;
pub use switchyard_host::scoring::{Finding, Part, Score};

pub(crate) use scorer::Scorer;
pub(crate) use service::service;
