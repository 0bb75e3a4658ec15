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

/// What the demo needs: it starts nobody but `switchyard` itself.
pub(crate) fn for_demo(workspace: &Workspace) -> Result<()> {
    wasm::ensure(workspace)
}

/// Everything, in the order of how soon it is needed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    components::ensure(workspace)?;
    wasm::ensure(workspace)?;
    debian::ensure_peers(workspace)?;
    python::ensure(workspace)?;
    node::ensure(workspace)?;
    println!("set-up: complete");
    Ok(())
}
