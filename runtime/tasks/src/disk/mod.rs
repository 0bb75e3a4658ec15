//! The file: what a task is made of on disk, and how it gets there.

mod database;
mod file;
mod record;

pub(crate) use database::{Batch, Database};
pub(crate) use record::{decode, encode};
