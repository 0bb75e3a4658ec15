//! What an operation of the node's RESP port costs, beside Redis, in one run: CPU time of the serving process per
//! operation, by the kernel's own accounting, under the same `redis-benchmark`.
//!
//! `cargo xtask bench` builds what this needs and runs it; with other options: `cargo run --release --workspace --bin
//! resp_cost -- --help`.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Parser;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use switchyard_e2e::{dev::Dev, machine, paths, process::wait_for, resp::RespClient};

/// A Redis that does not answer by then does not start.
const REDIS_DEADLINE: Duration = Duration::from_secs(10);

/// What can be asked for.
#[derive(Debug, Parser)]
struct Options {
    /// Operations of one measurement without pipelining; with pipelining ten times as many.
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Different keys.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// The strategy that decides.
    #[arg(long, default_value = "caching-s3fifo")]
    strategy: String,
    /// Shards of the node's cache: its default is one for each processor, more make it rarer that two connections want
    /// the same one.
    #[arg(long, default_value_t = 2)]
    shards: usize,
    /// Measurements of each kind; the lowest counts: what a busy machine adds is never negative.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let redis = Redis::start()?;
    // Room for every key: both serve hits, and neither evicts.
    let dev = Dev::start(&(options.keys * 4).to_string(), options.shards)?;
    let plugin = dev.publish(&options.strategy).await?;
    dev.activate(&plugin).await?;
    let servers = [(redis.child.id(), redis.port), (dev.process().id()?, dev.address().port())];
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["operation", "pipeline", "Redis, µs", "node, µs", "ratio"]);
    for pipeline in [1, 16] {
        for operation in ["set", "get", "incr"] {
            let [redis, ours] = lowest(&options, servers, operation, pipeline)?;
            let row = [redis, ours, ours / redis].map(|value| format!("{value:.2}"));
            table.add_row([operation, &pipeline.to_string()].into_iter().map(str::to_owned).chain(row));
        }
    }
    emit(&format!(
        "{}\n\nstrategy {} active on {} shards; CPU time of the server per operation\n",
        machine::describe(),
        options.strategy,
        options.shards
    ));
    emit(&table.to_string());
    dev.end()
}

fn emit(text: &str) {
    use std::io::Write as _;
    // A reader that has gone away wants no more.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Microseconds of CPU time per operation of each server; rounds take turns, so that both meet the same neighbours.
fn lowest(options: &Options, servers: [(u32, u16); 2], operation: &str, pipeline: u64) -> Result<[f64; 2]> {
    let mut lowest = [f64::INFINITY; 2];
    for _ in 0..options.rounds {
        for (lowest, (process, port)) in lowest.iter_mut().zip(servers) {
            *lowest = lowest.min(cost(options, process, port, operation, pipeline)?);
        }
    }
    Ok(lowest)
}

fn cost(options: &Options, process: u32, port: u16, operation: &str, pipeline: u64) -> Result<f64> {
    let operations = if pipeline > 1 { options.operations * 10 } else { options.operations };
    let before = machine::cpu_seconds(process)?;
    let status = Command::new(paths::program("redis-benchmark")?)
        .args(["-p", &port.to_string(), "-t", operation, "-P", &pipeline.to_string(), "-c", "50", "-d", "100"])
        .args(["-n", &operations.to_string(), "-r", &options.keys.to_string(), "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "redis-benchmark ended with {status}");
    Ok((machine::cpu_seconds(process)? - before) * 1e6 / operations as f64)
}

/// A Redis of its own, without persistence, on a free port.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(paths::program("redis-server")?)
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { child, port };
        let begun = Instant::now();
        wait_for("redis-server answers", REDIS_DEADLINE, || {
            let client = RespClient::connect(SocketAddr::from(([127, 0, 0, 1], port)));
            Ok(client.ok().map(|_| begun.elapsed()))
        })?;
        Ok(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
