//! The tasks of one node: push, look, send back. A node is asked by its own HTTP address, which the server knows.

mod list;
mod push;
mod show;

use anyhow::Result;
use clap::Subcommand;

use crate::arguments::Global;

#[derive(Debug, Subcommand)]
pub(crate) enum TasksVerb {
    /// Push a task, and print its number
    Push(push::Push),
    /// List tasks in the order in which they were accepted
    List(list::List),
    /// Show one task with its job
    Get(show::Get),
    /// Let a delayed task or a dead letter run now; a dead letter has all its attempts again
    Retry(show::Retry),
}

pub(crate) fn run(verb: &TasksVerb, global: &Global) -> Result<()> {
    match verb {
        TasksVerb::Push(verb) => push::run(verb, global),
        TasksVerb::List(verb) => list::run(verb, global),
        TasksVerb::Get(verb) => show::get(verb, global),
        TasksVerb::Retry(verb) => show::retry(verb, global),
    }
}
