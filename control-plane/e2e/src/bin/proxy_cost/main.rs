//! What a proxied request costs, beside HAProxy and nginx, in one run: CPU time of the proxy's processes per request, by the
//! kernel's own accounting, requests of a second and latency, under the same `wrk` and before the same two backends.
//!
//! `cargo run --release --workspace --bin proxy_cost -- --help`.

mod nginx;
mod proxies;
mod wrk;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use switchyard_e2e::machine;

use nginx::Nginx;
use proxies::{Haproxy, Node};
use wrk::{LOADS, Load, Wrk};

/// What can be asked for.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Connections of clients, which stay.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Measurements of each kind; the lowest cost counts: what a busy machine adds is never negative.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Threads of every proxy: as many as the node has unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// The strategy that decides in the second of the two nodes.
    #[arg(long, default_value = "routing-round-robin")]
    strategy: String,
    /// Only the proxies with this in their names.
    #[arg(long, default_value = "")]
    only: String,
    /// Only the loads with this in their names.
    #[arg(long, default_value = "")]
    load: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let threads = options.threads.unwrap_or(std::thread::available_parallelism().map_or(1, usize::from));
    let scratch = tempfile::Builder::new().prefix("switchyard-proxy-cost-").tempdir()?;
    let folder = |name: &str| -> io::Result<_> {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    };
    let wrk = Wrk::new(scratch.path(), options.seconds, options.connections)?;
    let (_backends, backends) = Nginx::backends(&folder("backends")?)?;
    let nginx = Nginx::proxy(&folder("nginx")?, &backends, threads)?;
    let haproxy = Haproxy::start(&folder("haproxy")?, &backends, threads)?;
    let (built_in, node) =
        (Node::start(&backends, None).await?, Node::start(&backends, Some(&options.strategy)).await?);
    let proxies = [
        Proxy { name: "HAProxy".to_owned(), process: haproxy.id(), address: haproxy.address() },
        Proxy { name: "nginx".to_owned(), process: nginx.id(), address: nginx.address() },
        Proxy { name: "node, built-in round robin".to_owned(), process: built_in.id()?, address: built_in.address() },
        Proxy { name: format!("node, {}", options.strategy), process: node.id()?, address: node.address() },
    ];
    emit(&format!("{}\n\n{} connections, {threads} threads a proxy\n", machine::describe(), options.connections));
    for load in LOADS.iter().filter(|load| load.name.contains(&options.load)) {
        emit(&format!("{}:\n", load.name));
        emit(&measure(&options, &wrk, &proxies, load)?.to_string());
        emit("");
    }
    built_in.end()?;
    node.end()
}

fn emit(text: &str) {
    // A reader that has gone away wants no more.
    let _ = writeln!(io::stdout(), "{text}");
}

/// A proxy that listens.
struct Proxy {
    name: String,
    process: u32,
    address: SocketAddr,
}

/// What was measured; each figure is the best of its rounds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu_us: f64,
    a_second: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Cost {
    const WORST: Self = Self { cpu_us: f64::INFINITY, a_second: 0.0, p50_us: f64::INFINITY, p99_us: f64::INFINITY };

    fn best(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.min(other.cpu_us),
            a_second: self.a_second.max(other.a_second),
            p50_us: self.p50_us.min(other.p50_us),
            p99_us: self.p99_us.min(other.p99_us),
        }
    }
}

/// Rounds take turns, so that all meet the same neighbours.
fn measure(options: &Options, wrk: &Wrk, proxies: &[Proxy], load: &Load) -> Result<Table> {
    let asked: Vec<&Proxy> = proxies.iter().filter(|proxy| proxy.name.contains(&options.only)).collect();
    let mut costs = vec![Cost::WORST; asked.len()];
    for _ in 0..options.rounds {
        for (cost, proxy) in costs.iter_mut().zip(&asked) {
            *cost = cost.best(cost_of(wrk, proxy, load).with_context(|| proxy.name.clone())?);
        }
    }
    let first = costs.first().map_or(1.0, |cost| cost.cpu_us);
    let mut table = Table::new();
    let columns = ["proxy", "CPU a request, µs", "of the first", "requests a second", "p50, µs", "p99, µs"];
    table.load_style(ASCII_MARKDOWN).set_header(columns);
    for (proxy, cost) in asked.iter().zip(&costs) {
        let figures = [cost.a_second, cost.p50_us, cost.p99_us].map(|figure| format!("{figure:.0}"));
        let cpu = [format!("{:.2}", cost.cpu_us), format!("{:.2}", cost.cpu_us / first)];
        table.add_row([proxy.name.clone()].into_iter().chain(cpu).chain(figures));
    }
    Ok(table)
}

/// A request that failed makes all figures worthless: the cheapest answer is an error.
fn cost_of(wrk: &Wrk, proxy: &Proxy, load: &Load) -> Result<Cost> {
    let before = machine::cpu_seconds_of_family(proxy.process)?;
    let run = wrk.run(proxy.address, load)?;
    let seconds = machine::cpu_seconds_of_family(proxy.process)? - before;
    ensure!(run.errors == 0 && run.requests > 0, "{} of {} requests failed", run.errors, run.requests);
    Ok(Cost {
        cpu_us: seconds * 1e6 / run.requests as f64,
        a_second: run.requests as f64 / run.seconds,
        p50_us: run.p50_us,
        p99_us: run.p99_us,
    })
}

/// Where nobody listens now. Others may take it before it is used; then the start fails and says so.
fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A configuration of a program that is started with it.
fn configuration(folder: &Path, text: &str) -> Result<std::path::PathBuf> {
    let file = folder.join("configuration");
    // The last line must end, says HAProxy.
    std::fs::write(&file, format!("{}\n", text.trim_end()))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}
