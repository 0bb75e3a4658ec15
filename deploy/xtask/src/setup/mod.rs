//! What a task needs and a fresh machine lacks. Every step looks first and does nothing where all is there, so that
//! set-up is part of every task and no separate chore. What cannot be had stops the task: nothing is skipped.

mod components;
mod debian;
mod node;
mod python;
mod rust_src;
mod wasm;

use anyhow::Result;

use crate::workspace::Workspace;

/// What building needs, and with it both acts of the demo.
pub(crate) fn for_build(workspace: &Workspace) -> Result<()> {
    debian::ensure_build(workspace)?;
    wasm::ensure(workspace)
}

/// What the demo's second act needs beside it: an API and a worker in Python.
pub(crate) fn for_second_act(workspace: &Workspace) -> Result<()> {
    python::ensure(workspace)
}

/// What comparisons need beside everything else.
pub(crate) fn for_bench(workspace: &Workspace) -> Result<()> {
    run(workspace)?;
    debian::ensure_compared(workspace)
}

/// Everything, in the order of how soon it is needed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    components::ensure(workspace)?;
    for_build(workspace)?;
    debian::ensure_peers(workspace)?;
    python::ensure(workspace)?;
    node::ensure(workspace)?;
    println!("set-up: complete");
    Ok(())
}
