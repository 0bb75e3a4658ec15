//! The scoring kind: what crosses to its plugins, and the slot that whoever keeps scores asks.

mod calls;
mod corpus;
mod kind;
mod slot;
mod table;
mod types;

pub(crate) use kind::Scoring;
pub use slot::ScoringSlot;
pub use table::ScoreTable;
pub use types::{
    Column, FINDINGS_MAX, Finding, Load, NAME_BYTES_MAX, PARTS_MAX, Part, Resident, SCORES_MAX, SENTENCE_BYTES_MAX,
    Score, Table, Values,
};

pub use crate::alerting::{Severity, Texts};
