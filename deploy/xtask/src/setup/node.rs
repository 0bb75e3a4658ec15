use std::fs;

use anyhow::{Context, Result};

use super::debian;
use crate::{
    command::{command, execute, output},
    workspace::Workspace,
};

const PACKAGE: &str = include_str!("../../node/package.json");
const LOCK: &str = include_str!("../../node/package-lock.json");

/// A folder of its own with the Node clients that the tests use, at the versions of the lock file.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target().join("node");
    let stamp = folder.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == LOCK) {
        return Ok(());
    }
    if output(command(workspace, "npm", ["--version"])).is_err() {
        debian::install(workspace, &["nodejs", "npm"])?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), PACKAGE)?;
    fs::write(folder.join("package-lock.json"), LOCK)?;
    let mut install = command(workspace, "npm", ["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
    install.arg("--prefix").arg(&folder);
    execute(install).context("faktory-worker: no package server answers, and the tests need this Node client")?;
    // Written last: a folder without it is made anew.
    fs::write(&stamp, LOCK).with_context(|| format!("{} cannot be written", stamp.display()))
}
