//! What a task is made of on disk, and how it gets there.
//!
//! Changes go to the end of a log, one write for a whole batch, and are answered when they are as safe as the durability says.
//! Now and then, what the log has is put into the database while it goes on in a second file: most tasks are done by then and
//! never get there. A start reads what is left of both files (`recovery.rs`). The database alone was refused: each of its commits writes ten pages or more and the header, three to a task; and
//! it has no commit that survives a kill and does not wait for the disk (`Durability::None` keeps the pages in this process).

mod batch;
mod database;
mod entry;
mod jobs;
mod log;
mod pending;
mod record;
mod recovery;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use batch::Batch;
pub(crate) use database::{Database, Files, Unwritten};
pub(crate) use record::{decode, encode};
pub(crate) use recovery::Damage;
