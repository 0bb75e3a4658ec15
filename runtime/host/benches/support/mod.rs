//! What the benches share: CPU time as the measure, and the components.

#![allow(missing_docs, dead_code, unreachable_pub, reason = "each bench uses a part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench")]

use std::path::PathBuf;

use criterion::{
    Throughput,
    measurement::{Measurement, ValueFormatter},
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use switchyard_host::{Compiler, Host, HostConfig, Strategy};
use switchyard_types::Limits;

/// CPU time of the calling thread: on a busy machine wall time measures the neighbours.
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
    fn end(&self, start: u64) -> u64 {
        self.start() - start
    }
    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }
    fn zero(&self) -> u64 {
        0
    }
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanoseconds
    }
}

struct Nanoseconds;

impl ValueFormatter for Nanoseconds {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "ns of CPU"
    }
    fn scale_throughputs(&self, _typical: f64, _throughput: &Throughput, _values: &mut [f64]) -> &'static str {
        "ns of CPU"
    }
    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ns of CPU"
    }
}

/// A component of `plugins/`.
pub fn component(name: &str) -> Vec<u8> {
    let dir = std::env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|_| panic!("{}: run `cargo xtask plugins`", path.display()))
}

pub fn host() -> Host {
    Host::new(HostConfig::new(Compiler::InProcess)).expect("a host")
}

/// A strategy of `plugins/` with this configuration.
pub fn strategy(host: &Host, name: &str, configuration: &Value) -> Strategy {
    let limits = Limits { memory_bytes: Limits::DEFAULT.memory_bytes, ..Limits::CEILING };
    host.load(&component(name)).and_then(|plugin| plugin.strategy(configuration, limits)).expect("a strategy")
}
