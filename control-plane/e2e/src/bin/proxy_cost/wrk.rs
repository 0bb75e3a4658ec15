use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use switchyard_e2e::paths;

/// What is asked of every proxy.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    path: &'static str,
    /// Of the request's body; 0: a GET.
    body_bytes: usize,
}

pub(crate) const LOADS: [Load; 3] = [
    Load { name: "GET, an answer of 128 bytes", path: "/small", body_bytes: 0 },
    Load { name: "GET, an answer of 4 KiB", path: "/large", body_bytes: 0 },
    Load { name: "POST of 4 KiB, an answer of 128 bytes", path: "/small", body_bytes: 4_096 },
];

/// wrk prints for people; this prints what is read here.
const DONE: &str = r#"
done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format('\n{"requests":%d,"seconds":%f,"errors":%d,"p50_us":%f,"p99_us":%f}\n',
        summary.requests, summary.duration / 1e6, failed, latency:percentile(50), latency:percentile(99)))
end
"#;

/// The client of all measurements.
pub(crate) struct Wrk {
    program: PathBuf,
    script: PathBuf,
    seconds: u32,
    connections: u32,
}

/// What one measurement gave.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) errors: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Wrk {
    pub(crate) fn new(scratch: &Path, seconds: u32, connections: u32) -> Result<Self> {
        Ok(Self { program: paths::peer("wrk", "wrk")?, script: scratch.join("wrk.lua"), seconds, connections })
    }

    pub(crate) fn run(&self, address: SocketAddr, load: &Load) -> Result<Run> {
        fs::write(&self.script, script(load))?;
        let output = Command::new(&self.program)
            .args(["--threads", "1", "--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{}s", self.seconds), "--script"])
            .arg(&self.script)
            .arg(format!("http://{address}{}", load.path))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk ended with {}: {said}", output.status);
        let line = said.lines().find(|line| line.starts_with('{'));
        Ok(serde_json::from_str(line.with_context(|| format!("wrk gives no summary: {said}"))?)?)
    }
}

fn script(load: &Load) -> String {
    let mut script = DONE.to_owned();
    if load.body_bytes > 0 {
        // Writing to a string does not fail.
        let _ = write!(script, "wrk.method = 'POST'\nwrk.body = string.rep('x', {})\n", load.body_bytes);
    }
    script
}
