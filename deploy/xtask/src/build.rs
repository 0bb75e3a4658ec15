use std::path::PathBuf;

use anyhow::Result;

use crate::{
    command::{cargo, command, execute},
    workspace::Workspace,
};

/// What the tests start: `switchyard` as Cargo builds it in development, and every strategy as a component.
pub(crate) fn development(workspace: &Workspace) -> Result<PathBuf> {
    execute(cargo(workspace, ["build", "--locked", "--package", "switchyard"]))?;
    let switchyard = workspace.target().join("debug/switchyard");
    plugins(workspace, &switchyard)?;
    Ok(switchyard)
}

/// The same as a user runs it.
pub(crate) fn release(workspace: &Workspace) -> Result<PathBuf> {
    execute(cargo(
        workspace,
        ["build", "--locked", "--release", "--package", "switchyard", "--package", "switchyard-e2e"],
    ))?;
    let switchyard = workspace.target().join("release/switchyard");
    plugins(workspace, &switchyard)?;
    Ok(switchyard)
}

/// Through `switchyard plugin build`, as any author does it.
fn plugins(workspace: &Workspace, switchyard: &std::path::Path) -> Result<()> {
    for name in workspace.plugins()? {
        let out = workspace.target().join("plugins").join(format!("{name}.wasm"));
        let mut build = command(workspace, switchyard, ["plugin", "build"]);
        build.arg(workspace.root().join("plugins").join(&name)).arg("--out").arg(out);
        execute(build)?;
    }
    Ok(())
}
