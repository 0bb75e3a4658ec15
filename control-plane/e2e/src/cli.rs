//! The command line, as somebody types it.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::paths;

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit status; none: a signal ended it.
    pub status: Option<i32>,
    /// Results.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Said {
    /// Its results; an error when it failed.
    pub fn done(self) -> Result<String> {
        if self.status != Some(0) {
            bail!("status {:?}: {}{}", self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

/// Runs `switchyard` with this context file.
pub fn switchyard(context: &Path, arguments: &[&str]) -> Result<Said> {
    let mut command = Command::new(paths::switchyard()?);
    command.args(arguments).env("SWITCHYARD_CONTEXT", context);
    command.env_remove("SWITCHYARD_SERVER").env_remove("SWITCHYARD_TOKEN").env_remove("SWITCHYARD_NODE_HTTP");
    run(command)
}

/// Runs a program of the system.
pub fn program(name: &str, arguments: &[&str]) -> Result<Said> {
    let mut command = Command::new(paths::program(name)?);
    command.args(arguments);
    run(command)
}

/// Runs a program to its end.
pub fn run(mut command: Command) -> Result<Said> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} does not start"))?;
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { status: status.code(), stdout: text(stdout), stderr: text(stderr) })
}
