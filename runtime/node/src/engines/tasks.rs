use std::{collections::BTreeMap, sync::Arc};

use switchyard_tasks::{Tasks, TasksConfig, TasksError, TasksService};
use switchyard_types::{SlotId, StrategyKind};

use super::{Engine, Ground, Routes, listen};
use crate::NodeError;

/// In the node's folder.
const QUEUE: &str = "tasks/tasks.redb";

/// The task queue, and what the node's own HTTP listener says of it.
pub(super) async fn start(ground: &Ground<'_>) -> Result<(Engine, Routes), NodeError> {
    let failed = |source: TasksError| NodeError::Engine { engine: "tasks", source: source.into() };
    let tasks = TasksConfig { durability: ground.config.durability, ..TasksConfig::new(ground.folder.join(QUEUE)) };
    let host = ground.host.clone();
    // It reads its files.
    let opened = tokio::task::spawn_blocking(move || Tasks::open(&host, tasks)).await.map_err(NodeError::Broken)?;
    let tasks = opened.map_err(failed)?;
    let (listener, address) = listen("the Faktory protocol", ground.config.faktory_listen).await?;
    let (routes, figures, slot) = (switchyard_tasks::router(tasks.clone()), tasks.clone(), tasks.slot().clone());
    let service = TasksService::new(tasks, listener);
    let engine = Engine {
        name: "tasks",
        slots: vec![(SlotId { kind: StrategyKind::Scheduling, target: String::new() }, Arc::new(slot))],
        listeners: vec![("faktory", address)],
        figures: Arc::new(move || figures.figures().named().into_iter().collect::<BTreeMap<_, _>>()),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    };
    Ok((engine, routes))
}
