//! A running `switchyard`, as a child process in a scratch folder of its own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::paths;

/// A start compiles nothing and waits for nobody: what takes longer hangs.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Draining has its own bound within this.
const EXIT_DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(2);
/// Lines of the log that an error repeats.
const LOG_LINES_MAX: usize = 20;

/// The log of a child in its scratch folder.
pub(crate) const LOG: &str = "switchyard.log";

/// Arguments that give every engine of a node any free port.
pub const ANY_PORTS: [&str; 8] =
    ["--resp", "127.0.0.1:0", "--faktory", "127.0.0.1:0", "--http", "127.0.0.1:0", "--gateway", "127.0.0.1:0"];

/// Variables that a child gets beside those of this program.
pub type Environment = BTreeMap<&'static str, OsString>;

/// The line that `-o json` prints when everything listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Address of the admin API; `node` has none.
    pub server: Option<String>,
    /// Address of the RESP port.
    pub resp: String,
    /// Address of the Faktory port.
    pub faktory: String,
    /// Address of the node's HTTP port.
    pub http: String,
    /// Address of the gateway.
    pub gateway: String,
    /// The node's id.
    pub node: String,
    /// Only when it was newly made.
    pub token: Option<String>,
}

/// The child. Dropping it kills it, unless it was [released](Process::release).
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    ready: Ready,
    context: PathBuf,
    log: PathBuf,
    started_in: Duration,
}

impl Process {
    /// Starts `switchyard` with these arguments and `-o json`, waits until it is ready. Its context file and its log lie
    /// in `scratch`.
    pub fn start<S: AsRef<OsStr>>(scratch: &Path, arguments: &[S]) -> Result<Self> {
        Self::start_under(scratch, arguments, &Environment::new())
    }

    /// The same with more in its environment.
    pub fn start_under<S: AsRef<OsStr>>(scratch: &Path, arguments: &[S], environment: &Environment) -> Result<Self> {
        let (context, log) = (scratch.join("context.json"), scratch.join(LOG));
        let begun = Instant::now();
        let mut child = Command::new(paths::switchyard()?)
            .args(arguments)
            .args(["-o", "json"])
            .envs(environment)
            .env("SWITCHYARD_CONTEXT", &context)
            .env_remove("SWITCHYARD_SERVER")
            .env_remove("SWITCHYARD_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .spawn()
            .context("switchyard does not start")?;
        let line = first_line(&mut child);
        let started_in = begun.elapsed();
        let ready = line.and_then(|line| serde_json::from_str(&line).with_context(|| format!("not ready: {line:?}")));
        match ready {
            Ok(ready) => Ok(Self { child: Some(child), ready, context, log, started_in }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.context(format!("switchyard does not become ready; its log ends:\n{}", tail(&log))))
            }
        }
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its context file.
    pub fn context(&self) -> &Path {
        &self.context
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        tail(&self.log)
    }

    /// From its start to the ready line: for display.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Its process id.
    pub fn id(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the process was released")?.id())
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.id()?)
    }

    /// SIGKILL: no last words.
    pub fn kill(mut self) -> Result<()> {
        let mut child = self.child.take().context("the process was released")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the process was released")?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("not a process id")?;
        kill_process(id, Signal::TERM)?;
        let deadline = Instant::now() + EXIT_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        child.kill()?;
        child.wait()?;
        bail!("switchyard does not end within {EXIT_DEADLINE:?} after SIGTERM; its log ends:\n{}", tail(&self.log))
    }

    /// Leaves it running when this program ends.
    pub fn release(mut self) -> Ready {
        self.child = None;
        self.ready.clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The resident memory of a process, in bytes.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("the kernel does not say how much memory is resident")? * 1024)
}

/// How many files, sockets and the like a process holds open.
pub fn open_files(process: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// Waits until `condition` gives something, looking every few milliseconds; names `what` when the deadline passes.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {deadline:?}");
        }
        thread::sleep(POLL);
    }
}

/// The first line that the child prints; the rest of its output is read and dropped, so that it never blocks on it.
pub(crate) fn first_line(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().context("no standard output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).lines();
        let _ = sender.send(lines.next());
        lines.map_while(Result::ok).for_each(drop);
    });
    match receiver.recv_timeout(READY_DEADLINE) {
        Ok(Some(line)) => Ok(line?),
        Ok(None) => bail!("it ended before it was ready"),
        Err(_) => bail!("it said nothing within {READY_DEADLINE:?}"),
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES_MAX)..).unwrap_or_default().join("\n")
}
