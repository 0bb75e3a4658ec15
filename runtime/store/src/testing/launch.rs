use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// A child process that can be killed, stopped and started again. It ends with its holder, and with the thread that started
/// it: a test that is killed itself leaves nothing behind.
#[derive(Debug)]
pub(super) struct Launched {
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Launched {
    /// Starts a program with its output in a file.
    pub(super) fn start(arguments: Vec<String>, log: PathBuf) -> Self {
        let mut launched = Self { arguments, log, child: None };
        launched.again();
        launched
    }

    /// Starts it once more, after it has ended.
    pub(super) fn again(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(&self.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child =
            Some(command.spawn().unwrap_or_else(|error| panic!("{:?} does not start: {error}", self.arguments)));
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// SIGKILL: no last words.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub(super) fn id(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("it runs"))
    }

    /// The end of what it has printed.
    pub(super) fn log(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
