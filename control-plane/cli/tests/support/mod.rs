//! The program itself, as a user runs it: in a scratch folder, with a context file of its own.
#![allow(dead_code, reason = "every test file takes what it needs of it")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// A busy machine is slow; a program that hangs is not.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A scratch folder with its own context file, and nothing of the user's environment that the program reads.
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchyard"));
        command.args(arguments).current_dir(self.0.path());
        command.env("SWITCHYARD_CONTEXT", self.path("context.json"));
        for name in
            ["SWITCHYARD_SERVER", "SWITCHYARD_NODE_HTTP", "SWITCHYARD_TOKEN", "SWITCHYARD_PLUGINS", "SWITCHYARD_LOG"]
        {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs what must succeed and reads its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(answer.status, 0, "{arguments:?}: {}", answer.stderr);
        serde_json::from_str(&answer.stdout).unwrap()
    }

    /// Starts what goes on running.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    pub fn dev(&self, arguments: &[&str]) -> Running {
        let all = [
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--resp",
            "127.0.0.1:0",
            "--faktory",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--gateway",
            "127.0.0.1:0",
            "--cache-budget",
            "100",
        ];
        Running::start(self.command(&[&all, arguments].concat()))
    }
}

/// What a program that ended has said.
pub struct Answer {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A program that is ready; it is killed when the test ends.
pub struct Running {
    child: Child,
    pub ready: Value,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.args(["--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            drop(send.send(line));
        });
        let line = receive.recv_timeout(DEADLINE).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap_or_else(|_| panic!("no ready line but {line:?}")) }
    }

    /// Asks it to stop and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        wait_for("the program to end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks again until there is an answer.
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The mode of a file, the last nine bits.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
