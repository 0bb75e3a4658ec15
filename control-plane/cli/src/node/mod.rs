mod join;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use switchyard_cache::SHARDS_MAX;
use switchyard_node::{Durability, Node, NodeConfig, Secret, compiled_dir};
use switchyard_replay::Size;
use switchyard_types::NodeId;
use tokio_util::sync::CancellationToken;

use self::join::JoinArguments;
use crate::{
    arguments::Global, compile, output, password::PasswordArguments, runtime::block_on, shutdown, table::pairs,
};

/// What every node is told.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// The data folder
    #[arg(long, default_value = ".switchyard", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Where the cache listens in the Redis protocol; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:6380", value_name = "ADDRESS")]
    resp: SocketAddr,
    /// Where tasks are pushed and worked off in the Faktory work protocol; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:7419", value_name = "ADDRESS")]
    faktory: SocketAddr,
    #[command(flatten)]
    password: PasswordArguments,
    /// Where the node answers HTTP: metrics in (OTLP) and out (Prometheus), tasks, alerts, scores; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:7071", value_name = "ADDRESS")]
    http: SocketAddr,
    /// Where changes of alerts are posted in the shape of Alertmanager's webhook, besides the log; http only
    #[arg(long, value_name = "URL")]
    alert_webhook: Option<String>,
    /// Let the webhook lie on this machine or in a private network
    #[arg(long, requires = "alert_webhook")]
    alert_webhook_internal: bool,
    /// Where HTTP requests come in that routes send to their backends; port 0: any free port
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    gateway: SocketAddr,
    /// What an acknowledged task survives: the end of the process, or a loss of power (disk)
    #[arg(long, value_name = "WHAT", default_value = "disk", value_parser = durability)]
    task_durability: Durability,
    /// What the cache may hold: 10000 counts entries, 256MiB counts bytes; default: what was given last, else 256MiB
    #[arg(long, value_name = "SIZE")]
    cache_budget: Option<Size>,
    /// Into how many shards the cache is split; default: what was given last, else the number of processors, as a power
    /// of two
    #[arg(long, value_name = "N", value_parser = shards)]
    cache_shards: Option<usize>,
    /// A label that strategies select nodes by; several times for several
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
}

impl NodeArguments {
    /// As the node takes it.
    pub(crate) fn config(&self) -> Result<NodeConfig> {
        Ok(NodeConfig {
            data_dir: self.data.clone(),
            labels: self.label.iter().cloned().collect::<BTreeMap<_, _>>(),
            resp_listen: self.resp,
            faktory_listen: self.faktory,
            faktory_password: self.password.read()?.map(Secret),
            http_listen: self.http,
            alert_webhook: self.alert_webhook.clone(),
            alert_webhook_internal: self.alert_webhook_internal,
            gateway_listen: self.gateway,
            durability: self.task_durability,
            cache_budget: self.cache_budget.as_ref().map(Size::budget),
            cache_shards: self.cache_shards,
        })
    }
}

fn shards(text: &str) -> Result<usize, String> {
    let valid = |shards: &usize| (1..=SHARDS_MAX).contains(shards) && shards.is_power_of_two();
    text.parse().ok().filter(valid).ok_or_else(|| format!("expected a power of two from 1 to {SHARDS_MAX}"))
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "process" => Ok(Durability::Process),
        "disk" => Ok(Durability::Disk),
        _ => Err("expected process or disk".to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("expected KEY=VALUE, for example region=eu")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct NodeVerb {
    #[command(flatten)]
    node: NodeArguments,
    #[command(flatten)]
    join: JoinArguments,
}

pub(crate) fn run(verb: &NodeVerb, global: &Global) -> Result<()> {
    block_on(start(&verb.node, &verb.join, global))
}

/// What is told when everything listens.
#[derive(Serialize)]
struct Ready<'a> {
    /// By protocol.
    #[serde(flatten)]
    listeners: &'a BTreeMap<&'static str, SocketAddr>,
    data: &'a Path,
    node: &'a NodeId,
}

async fn start(arguments: &NodeArguments, join: &JoinArguments, global: &Global) -> Result<()> {
    let config = arguments.config()?;
    let upstream = join.upstream(&config).await?;
    let host = compile::host(Some(&compiled_dir(&arguments.data)))?;
    let node = Node::start(config, host, upstream).await.context("the node cannot start")?;
    let handle = node.handle();
    let ready = Ready { listeners: handle.listeners(), data: &arguments.data, node: handle.id() };
    output::print(global.output, &ready, |ready| {
        let listeners = ready.listeners.iter().map(|(protocol, address)| (*protocol, address.to_string()));
        let node = [("data", ready.data.display().to_string()), ("node", ready.node.to_string())];
        Ok(pairs(&listeners.chain(node).collect::<Vec<_>>()))
    })?;
    let stop = CancellationToken::new();
    let running = node.run(stop.clone());
    let signals = async {
        let requested = stop.run_until_cancelled(shutdown::requested()).await;
        stop.cancel();
        requested.transpose().map(drop)
    };
    let stopped = stop.clone();
    let running = async {
        let ended = running.await;
        stopped.cancel();
        ended.context("the node has stopped")
    };
    let (node, signals) = tokio::join!(running, signals);
    node.and(signals)
}
