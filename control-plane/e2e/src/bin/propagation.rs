//! How fast a fleet is told: a change that the server has accepted, until each of many nodes has flipped; beside a raw watch
//! of the same key of the same etcd by as many watchers, in the same run.
#![allow(clippy::print_stdout, reason = "a program that prints a table")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures_util::StreamExt;
use hdrhistogram::Histogram;
use reqwest::Method;
use switchyard_e2e::{
    fleet::Fleet,
    machine,
    simulated::{PORT_FIRST, Simulated, data_folder, route},
};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_node::Upstream;
use switchyard_store::{
    BlobSource, ConfigStore, EtcdConfig, EtcdStore, Operation, Revision, Transaction, Update, keyspace,
    remote::{RemoteBlobs, RemoteStore, Servers},
};
use switchyard_sync::TrustKey;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

/// How long all of them may take with one change before it counts as lost.
const CHANGE_MAX: Duration = Duration::from_secs(120);
/// What is not measured: connections that are new, code that was never run.
const WARM_UP: u16 = 3;

#[derive(Parser)]
struct Options {
    /// Nodes
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    /// Changes that are measured
    #[arg(long, default_value_t = 30)]
    changes: u16,
    /// Nodes that share one connection to etcd: 1 is what real nodes do
    #[arg(long, default_value_t = 1)]
    nodes_per_connection: usize,
    /// Let the nodes follow through the server instead of by watches of their own
    #[arg(long)]
    through_server: bool,
}

/// Threads for the disk work of all nodes: hundreds would measure how the kernel switches between them.
const DISK_THREADS: usize = 4;

fn main() -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(DISK_THREADS).build()?;
    runtime.block_on(measure(&Options::parse()))
}

async fn measure(options: &Options) -> Result<()> {
    println!("{}", machine::describe());
    let fleet = Fleet::start(1, 1).await?;
    let raw = raw(options, &fleet).await?;
    let nodes = nodes(options, &fleet).await?;
    print(options, &raw, &nodes);
    Ok(())
}

/// Of each change, when each of them had it after it was accepted.
struct Measured {
    each: Histogram<u64>,
    last: Histogram<u64>,
    /// The last status of each change, after it was accepted.
    settled: Option<Histogram<u64>>,
    cpu_us_each: f64,
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

fn stores(options: &Options, fleet: &Fleet) -> Result<Vec<EtcdStore>> {
    let connections = options.nodes.div_ceil(options.nodes_per_connection);
    let config = || EtcdConfig { endpoints: fleet.etcd.addresses(), user: None };
    (0..connections).map(|_| Ok(EtcdStore::new(config())?)).collect()
}

/// As many watchers as nodes, and nothing but watchers.
async fn raw(options: &Options, fleet: &Fleet) -> Result<Measured> {
    const KEY: &str = "/raw/key";
    let stores = stores(options, fleet)?;
    let writer = fleet.store()?;
    let began = Instant::now();
    let (told, mut heard) = mpsc::unbounded_channel::<(u64, u64)>();
    let mut watchers = JoinSet::new();
    for number in 0..options.nodes {
        let store = stores.get(number / options.nodes_per_connection).context("a connection")?.clone();
        let told = told.clone();
        let mut updates = store.updates(KEY, writer.snapshot(KEY).await?.revision).await?;
        watchers.spawn(async move {
            while let Some(Ok(update)) = updates.next().await {
                if let Update::Changed { revision, .. } = update {
                    let _ = told.send((revision.0, micros(began)));
                }
            }
        });
    }
    let mut measured = Measured { each: histogram()?, last: histogram()?, settled: None, cpu_us_each: 0.0 };
    let mut cpu = Duration::ZERO;
    for change in 0..WARM_UP + options.changes {
        let before = process_cpu();
        let operations = vec![Operation::put(KEY, change.to_string())];
        let Revision(revision) = writer.txn(Transaction { preconditions: vec![], operations }).await?;
        let accepted = micros(began);
        let mut last = 0;
        for _ in 0..options.nodes {
            let (of, at) = tokio::time::timeout(CHANGE_MAX, heard.recv()).await?.context("a watcher has ended")?;
            ensure!(of == revision, "a watcher is told of {of} after {revision} was written");
            let took = at.saturating_sub(accepted).max(1);
            last = last.max(took);
            if change >= WARM_UP {
                measured.each.saturating_record(took);
            }
        }
        if change >= WARM_UP {
            cpu += process_cpu().saturating_sub(before);
            measured.last.saturating_record(last);
        }
        pause(change).await;
    }
    measured.cpu_us_each = cpu_each(cpu, options);
    watchers.abort_all();
    Ok(measured)
}

async fn nodes(options: &Options, fleet: &Fleet) -> Result<Measured> {
    let admin = fleet.admin(0)?;
    let folder = data_folder()?;
    let host = Host::new(HostConfig { instances_max: 16, ..HostConfig::new(Compiler::InProcess) })?;
    let trust: TrustKey =
        String::from_utf8_lossy(&fleet.store()?.get(keyspace::SERVER_KEY).await?.context("a key")?.value).parse()?;
    let token = std::fs::read_to_string(fleet.node_token())?.trim().to_owned();
    let servers = Arc::new(Servers::new([fleet.server(0)?.url()])?);
    let stores = stores(options, fleet)?;
    let blobs: Arc<dyn BlobSource> = Arc::new(RemoteBlobs::new(Arc::clone(&servers), token.clone())?);
    let upstream = |number: usize| -> Result<Upstream> {
        let store: Arc<dyn ConfigStore> = if options.through_server {
            Arc::new(RemoteStore::new(Arc::clone(&servers), token.clone())?)
        } else {
            Arc::new(stores.get(number / options.nodes_per_connection).context("a connection")?.clone())
        };
        let (blobs, servers) = (Arc::clone(&blobs) as _, Vec::new());
        Ok(Upstream { store, blobs, trust, recorder: None, servers, token: None })
    };
    let began = Instant::now();
    let simulated = Simulated::start(options.nodes, folder.path(), &host, upstream).await?;
    let mut measured =
        Measured { each: histogram()?, last: histogram()?, settled: Some(histogram()?), cpu_us_each: 0.0 };
    let mut cpu = Duration::ZERO;
    for change in 0..WARM_UP + options.changes {
        let port = PORT_FIRST + change;
        let before = process_cpu();
        let answer = admin.request(Method::PUT, "/v1/routes/measured").json(&route(port)).send().await?;
        let accepted = simulated.now_us();
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        let deadline = Instant::now() + CHANGE_MAX;
        let arrivals = loop {
            let arrivals = simulated.arrivals_us(port);
            if arrivals.len() == options.nodes {
                break arrivals;
            }
            ensure!(Instant::now() < deadline, "{} of {} nodes have it", arrivals.len(), options.nodes);
            sleep(Duration::from_millis(2)).await;
        };
        if change == 0 {
            println!(
                "all {} nodes follow {} ms after the first one was started",
                options.nodes,
                began.elapsed().as_millis()
            );
        }
        let settled = settle(fleet, &simulated, accepted, u64::from(change) + 1, options.nodes).await?;
        if change >= WARM_UP {
            cpu += process_cpu().saturating_sub(before);
            let took = |at: &u64| at.saturating_sub(accepted).max(1);
            arrivals.iter().for_each(|at| measured.each.saturating_record(took(at)));
            measured.last.saturating_record(arrivals.iter().map(took).max().unwrap_or(1));
            if let Some(histogram) = &mut measured.settled {
                histogram.saturating_record(settled);
            }
        }
        pause(change).await;
    }
    measured.cpu_us_each = cpu_each(cpu, options);
    simulated.stop().await;
    Ok(measured)
}

/// One to two seconds between changes, never the same: what every node does each second or each five falls anywhere between them.
async fn pause(change: u16) {
    sleep(Duration::from_millis(1_000 + u64::from(change) * 377 % 1_000)).await;
}

/// Until the store holds a status of every node that says it follows this generation; microseconds after it was accepted.
async fn settle(fleet: &Fleet, simulated: &Simulated, accepted: u64, counter: u64, nodes: usize) -> Result<u64> {
    let store = fleet.store()?;
    let deadline = Instant::now() + CHANGE_MAX;
    let wanted = format!("\"generation\":{{\"epoch\":0,\"counter\":{counter}}}");
    loop {
        let statuses = store.snapshot(keyspace::STATUS).await?;
        let at = simulated.now_us();
        let there = statuses.entries.values().filter(|entry| contains(&entry.value, wanted.as_bytes())).count();
        if there == nodes {
            return Ok(at.saturating_sub(accepted).max(1));
        }
        ensure!(Instant::now() < deadline, "{there} of {nodes} statuses are there");
        sleep(Duration::from_millis(100)).await;
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

fn print(options: &Options, raw: &Measured, nodes: &Measured) {
    let ms = |us: u64| us as f64 / 1_000.0;
    let follow = if options.through_server { "through the server" } else { "by watches of their own" };
    println!(
        "{} nodes {follow}, {} to a connection, {} changes",
        options.nodes, options.nodes_per_connection, options.changes
    );
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>12} {:>16}",
        "ms after acceptance", "p50", "p99", "max", "last p50", "CPU us a node"
    );
    for (name, measured) in [("raw watch", raw), ("nodes flipped", nodes)] {
        let each = &measured.each;
        println!(
            "{name:<22} {:>9.1} {:>9.1} {:>9.1} {:>12.1} {:>16.0}",
            ms(each.value_at_quantile(0.5)),
            ms(each.value_at_quantile(0.99)),
            ms(each.max()),
            ms(measured.last.value_at_quantile(0.5)),
            measured.cpu_us_each
        );
    }
    if let Some(settled) = &nodes.settled {
        let (p50, max) = (ms(settled.value_at_quantile(0.5)), ms(settled.max()));
        println!("{:<22} {p50:>9.1} {:>9} {max:>9.1}", "statuses settled", "");
    }
    let (found, bound) = (ms(nodes.each.value_at_quantile(0.99)), 2.0 * ms(raw.each.value_at_quantile(0.99)) + 50.0);
    let verdict = if found <= bound { "met" } else { "not met" };
    println!("p99 {found:.1} ms, wanted 2 x raw + 50 ms = {bound:.1} ms: {verdict}");
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn cpu_each(spent: Duration, options: &Options) -> f64 {
    spent.as_secs_f64() * 1e6 / (f64::from(options.changes) * options.nodes as f64)
}
