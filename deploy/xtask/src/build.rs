use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    command::{cargo, command, execute},
    workspace::Workspace,
};

/// What the tests start: `switchyard` as Cargo builds it in development, and every strategy as a component.
///
/// Here and below for the whole workspace: fewer packages mean other features of what they share, and wasmtime would be
/// compiled once more.
pub(crate) fn development(workspace: &Workspace) -> Result<()> {
    execute(cargo(workspace, ["build", "--locked", "--workspace", "--bin", "switchyard"]))?;
    plugins(workspace, &workspace.target().join("debug/switchyard"))
}

/// The same as a user runs it, and programs of `control-plane/e2e`: what is linked for nothing costs minutes.
pub(crate) fn release(workspace: &Workspace, programs: &[&str]) -> Result<()> {
    let mut build = cargo(workspace, ["build", "--locked", "--release", "--workspace", "--bin", "switchyard"]);
    for program in programs {
        build.args(["--bin", program]);
    }
    execute(build)?;
    plugins(workspace, &workspace.target().join("release/switchyard"))
}

/// Where tests, benchmarks and the demo find what they start.
pub(crate) fn places(workspace: &Workspace, profile: &str) -> [(&'static str, PathBuf); 2] {
    [
        ("SWITCHYARD_BIN", workspace.target().join(profile).join("switchyard")),
        ("SWITCHYARD_PLUGINS", workspace.target().join("plugins")),
    ]
}

/// Through `switchyard plugin build`, as any author does it.
fn plugins(workspace: &Workspace, switchyard: &Path) -> Result<()> {
    for name in workspace.plugins()? {
        let out = workspace.target().join("plugins").join(format!("{name}.wasm"));
        let mut build = command(workspace, switchyard, ["plugin", "build"]);
        build.arg(workspace.root().join("plugins").join(&name)).arg("--out").arg(out);
        execute(build)?;
    }
    Ok(())
}
