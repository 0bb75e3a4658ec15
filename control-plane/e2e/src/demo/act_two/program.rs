use std::{
    ffi::OsStr,
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::{paths, process};

/// A program of `deploy/demo`, as a child in a process group of its own: a worker's processes end with it. Dropping it
/// kills it, unless it was [released](Program::release).
#[derive(Debug)]
pub(super) struct Program {
    child: Option<Child>,
    group: Pid,
}

impl Program {
    /// Starts it and waits for the line of JSON that it prints when it is ready. Its log lies in `folder`.
    pub(super) fn start<S: AsRef<OsStr>>(
        folder: &Path,
        name: &str,
        script: &str,
        arguments: &[S],
    ) -> Result<(Self, Value)> {
        let log = folder.join(format!("{name}.log"));
        let mut child = Command::new(paths::python()?)
            .arg(script_path(script))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{script} does not start"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("not a process id")?;
        let line = process::first_line(&mut child);
        let program = Self { child: Some(child), group };
        let ready = line.and_then(|line| serde_json::from_str(&line).with_context(|| format!("not ready: {line:?}")));
        let ready = ready.with_context(|| format!("{script} does not become ready: {}", process::tail(&log)))?;
        Ok((program, ready))
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Leaves it running when this program ends.
    pub(super) fn release(mut self) -> i32 {
        self.child = None;
        self.group.as_raw_nonzero().get()
    }
}

impl Drop for Program {
    /// SIGKILL: no last words.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = kill_process_group(self.group, Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn script_path(script: &str) -> PathBuf {
    paths::workspace().join("deploy/demo").join(script)
}
