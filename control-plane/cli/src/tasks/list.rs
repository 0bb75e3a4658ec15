use anyhow::Result;
use clap::{Args, ValueEnum};
use reqwest::Method;
use switchyard_tasks::{TaskState, TaskView};
use switchyard_types::Page;

use super::show;
use crate::{
    arguments::Global,
    node_http::{NodeHttp, NodeHttpArguments},
    output,
    runtime::block_on,
    table::table,
};

/// Parts of one list that are asked for: a part may be short, or empty, where tasks are passed over.
const PARTS_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// As many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Where an earlier list ended
    #[arg(long = "continue", value_name = "TOKEN")]
    after: Option<String>,
    #[command(flatten)]
    node: NodeHttpArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Waiting,
    Delayed,
    Leased,
    Dead,
}

impl State {
    fn of_task(self) -> TaskState {
        match self {
            Self::Waiting => TaskState::Waiting,
            Self::Delayed => TaskState::Delayed,
            Self::Leased => TaskState::Leased,
            Self::Dead => TaskState::Dead,
        }
    }
}

pub(super) fn run(verb: &List, global: &Global) -> Result<()> {
    let page = block_on(async {
        let node = NodeHttp::find(&verb.node, global).await?;
        let mut query = vec![("limit", verb.limit.to_string())];
        query.extend(verb.queue.clone().map(|queue| ("queue", queue)));
        query.extend(verb.state.map(|state| ("state", show::state(state.of_task()).to_owned())));
        read(&node, &query, verb.after.clone(), usize::from(verb.limit)).await
    })?;
    output::print(global.output, &page, |page| Ok(text(page)))?;
    if let Some(token) = &page.continue_token {
        eprintln!("there is more: --continue {}", output::inert(token));
    }
    Ok(())
}

/// Up to `limit` tasks after `after`.
async fn read(
    node: &NodeHttp,
    query: &[(&str, String)],
    after: Option<String>,
    limit: usize,
) -> Result<Page<TaskView>> {
    let mut list = Page::new(Vec::new(), after);
    for _ in 0..PARTS_MAX {
        let after: Vec<_> = list.continue_token.take().map(|token| ("continue", token)).into_iter().collect();
        let request = node.request(Method::GET, &["v1", "tasks"]).query(query).query(&after);
        let part: Page<TaskView> = node.json(request).await?;
        let left = limit.saturating_sub(list.items.len());
        let cut = part.items.len() > left;
        list.items.extend(part.items.into_iter().take(left));
        // A part that is cut goes on after the last that was taken.
        let last = list.items.last().map(|task| task.id.to_string());
        list.continue_token = if cut { last } else { part.continue_token };
        if list.items.len() >= limit || list.continue_token.is_none() {
            break;
        }
    }
    Ok(list)
}

fn text(page: &Page<TaskView>) -> String {
    let head = ["id", "jid", "type", "queue", "state", "priority", "rank", "attempt", "due", "worker"];
    table(&head, &["id", "priority", "rank", "attempt"], page.items.iter().map(row))
}

fn row(task: &TaskView) -> Vec<String> {
    vec![
        task.id.to_string(),
        task.jid.clone(),
        task.kind.clone(),
        task.queue.clone(),
        show::state(task.state).to_owned(),
        task.priority.to_string(),
        task.rank.to_string(),
        task.attempt.to_string(),
        task.left_ms.map_or_else(String::new, show::left),
        task.worker.clone().unwrap_or_default(),
    ]
}
