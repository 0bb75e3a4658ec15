use std::fs;

use anyhow::{Context, Result};

use super::debian;
use crate::{
    command::{command, execute, output},
    workspace::Workspace,
};

const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// An environment of its own with the clients that the tests use, at pinned versions.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target().join("python");
    let stamp = folder.join("requirements.txt");
    if workspace.python().exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(());
    }
    if output(command(workspace, "python3", ["-c", "import venv, ensurepip"])).is_err() {
        debian::install(workspace, &["python3-venv"])?;
    }
    let mut venv = command(workspace, "python3", ["-m", "venv", "--clear"]);
    venv.arg(&folder);
    execute(venv)?;
    let mut install = command(workspace, workspace.python(), ["-m", "pip", "install", "--quiet", "--requirement"]);
    install.arg(workspace.root().join("deploy/xtask/requirements.txt"));
    execute(install).with_context(|| {
        format!(
            "{}: no package server answers, and the tests and the demo's second act need these Python clients",
            REQUIREMENTS.trim().replace('\n', ", ")
        )
    })?;
    // Written last: an environment without it is made anew.
    fs::write(&stamp, REQUIREMENTS).with_context(|| format!("{} cannot be written", stamp.display()))
}
