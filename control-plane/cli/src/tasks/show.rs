use anyhow::Result;
use clap::Args;
use reqwest::Method;
use switchyard_tasks::{TaskId, TaskState, TaskView};

use crate::{
    arguments::Global,
    node_http::{NodeHttp, NodeHttpArguments},
    output,
    password::PasswordArguments,
    runtime::block_on,
    table::pairs,
};

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The task's number
    id: TaskId,
    #[command(flatten)]
    node: NodeHttpArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The task's number
    id: TaskId,
    #[command(flatten)]
    node: NodeHttpArguments,
    #[command(flatten)]
    password: PasswordArguments,
}

pub(super) fn get(verb: &Get, global: &Global) -> Result<()> {
    let id = verb.id.to_string();
    let task: TaskView =
        block_on(async { NodeHttp::find(&verb.node, global).await?.get_json(&["v1", "tasks", &id]).await })?;
    output::print(global.output, &task, |task| Ok(text(task)))
}

pub(super) fn retry(verb: &Retry, global: &Global) -> Result<()> {
    let id = verb.id.to_string();
    let task: TaskView = block_on(async {
        let node = NodeHttp::find(&verb.node, global).await?;
        node.json(node.change(Method::POST, &["v1", "tasks", &id, "retry"], verb.password.read()?)).await
    })?;
    output::print(global.output, &task, |task| Ok(text(task)))
}

fn text(task: &TaskView) -> String {
    let mut lines = vec![
        ("id", task.id.to_string()),
        ("jid", task.jid.clone()),
        ("type", task.kind.clone()),
        ("queue", task.queue.clone()),
        ("state", state(task.state).to_owned()),
        ("priority", task.priority.to_string()),
        ("rank", task.rank.to_string()),
        ("attempt", task.attempt.to_string()),
    ];
    lines.extend(task.left_ms.map(|left_ms| ("due", left(left_ms))));
    lines.extend(task.worker.clone().map(|worker| ("worker", worker)));
    if let Some(failure) = &task.failure {
        lines.push(("failure", format!("{}: {}", failure.kind, failure.message)));
    }
    lines.extend(task.job.as_ref().map(|job| ("job", job.to_string())));
    pairs(&lines)
}

/// As the API writes it.
pub(super) fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Delayed => "delayed",
        TaskState::Leased => "leased",
        TaskState::Dead => "dead",
    }
}

/// A time to come, by its largest unit: `in 90s` would be read as more exact than a list can be.
pub(super) fn left(left_ms: u64) -> String {
    let units = [("d", 24 * 60 * 60 * 1_000), ("h", 60 * 60 * 1_000), ("m", 60 * 1_000), ("s", 1_000)];
    let unit = units.into_iter().find(|(_, ms)| left_ms >= *ms);
    unit.map_or_else(|| format!("in {left_ms}ms"), |(unit, ms)| format!("in {}{unit}", left_ms / ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come_are_told_in_their_largest_unit() {
        let told = [999, 59_999, 3_600_000, 172_800_000].map(left);
        assert_eq!(told, ["in 999ms", "in 59s", "in 1h", "in 2d"]);
    }
}
