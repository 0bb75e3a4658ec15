use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use switchyard_host::Host;
use switchyard_tasks::{Tasks, TasksConfig, TasksError, TasksService};
use switchyard_types::{SlotId, StrategyKind};
use tokio::{task::spawn_blocking, time::sleep};

use super::{Engine, Ground, Routes, listen};
use crate::NodeError;

/// How long a queue that is being closed is waited for, and how often it is tried.
const CLOSING_MAX: Duration = Duration::from_secs(5);
const CLOSING_POLL: Duration = Duration::from_millis(10);
/// In the node's folder.
const QUEUE: &str = "tasks/tasks.redb";

/// The task queue, and what the node's own HTTP listener says of it.
pub(super) async fn start(ground: &Ground<'_>) -> Result<(Engine, Routes), NodeError> {
    let (address, password) = (ground.config.faktory_listen, ground.config.faktory_password.clone());
    if password.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "anybody who reaches the tasks may push and take them: give --faktory-password-file");
    }
    let (durability, password) = (ground.config.durability, password.map(|password| password.0));
    let usual = TasksConfig::new(ground.folder.join(QUEUE));
    let connections_max = usual.connections_max.min(ground.clients_max);
    let tasks = TasksConfig { durability, password, connections_max, ..usual };
    let tasks = open(ground.host, &tasks).await?;
    let (listener, address) = listen("the Faktory protocol", ground.config.faktory_listen).await?;
    let (routes, figures, slot) = (switchyard_tasks::router(tasks.clone()), tasks.clone(), tasks.slot().clone());
    let service = TasksService::new(tasks, listener);
    let engine = Engine {
        name: "tasks",
        slots: vec![(SlotId { kind: StrategyKind::Scheduling, target: String::new() }, Arc::new(slot))],
        listeners: vec![("faktory", address)],
        figures: Arc::new(move || figures.figures().list()),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    };
    Ok((engine, routes))
}

/// Opens the queue. The data folder is this node's alone, so whoever still holds the queue's file is a node that has just
/// stopped in this process, whose last handles are on their way out. Where the files cannot be opened at all, the node starts
/// all the same: the other engines have nothing to do with it, and the queue opens when it can.
async fn open(host: &Host, config: &TasksConfig) -> Result<Tasks, NodeError> {
    let deadline = Instant::now() + CLOSING_MAX;
    loop {
        let (host, config) = (host.clone(), config.clone());
        let last = Instant::now() >= deadline;
        // It reads its files.
        let opened = spawn_blocking(move || match Tasks::open(&host, config.clone()) {
            Err(TasksError::Locked { .. }) if !last => Ok(None),
            Err(_) => Tasks::open_in_time(&host, config).map(Some),
            Ok(tasks) => Ok(Some(tasks)),
        });
        let failed = |source: TasksError| NodeError::Engine { engine: "tasks", source: source.into() };
        match opened.await.map_err(NodeError::Broken)?.map_err(failed)? {
            Some(tasks) => return Ok(tasks),
            None => sleep(CLOSING_POLL).await,
        }
    }
}
