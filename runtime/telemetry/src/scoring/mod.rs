//! The last score of each scope. A strategy scores; here its scores are checked, kept, and marked stale while it does not
//! answer: an old score that says so is worth more than none.

mod board;
mod score;

pub use board::{RejectedScore, SCOPES_MAX, Scores};
pub use score::{Finding, Score, ScoreEntry, ScorePart};
