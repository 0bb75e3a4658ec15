use std::{ffi::OsStr, process::Command};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// A command in the checkout's folder.
pub(crate) fn command<I>(workspace: &Workspace, program: impl AsRef<OsStr>, arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace.root());
    command
}

/// Cargo in the checkout's folder.
pub(crate) fn cargo<I>(workspace: &Workspace, arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    command(workspace, "cargo", arguments)
}

/// Says what runs, runs it with our own output, and fails when it fails.
pub(crate) fn execute(mut command: Command) -> Result<()> {
    let shown = show(&command);
    eprintln!("\n==> {shown}");
    let status = command.status().with_context(|| format!("{shown}: cannot be started"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// What it prints, or why there is nothing.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let shown = show(&command);
    let output = command.output().with_context(|| format!("{shown}: cannot be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown}: {} ({})", output.status, last_line(&said));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it printed nothing")
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}
