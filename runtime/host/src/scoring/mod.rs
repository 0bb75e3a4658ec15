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
    COLUMNS_MAX, Column, FINDINGS_MAX, Finding, Load, NAME_BYTES_MAX, PARTS_MAX, Part, ROWS_MAX, Resident, SCORES_MAX,
    SENTENCE_BYTES_MAX, Score, TABLES_MAX, Table, Values,
};

pub use crate::alerting::{Severity, Texts};
