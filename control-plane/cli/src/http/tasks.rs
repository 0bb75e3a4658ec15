use anyhow::Result;
use reqwest::{Method, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;
use switchyard_tasks::{TaskId, TaskView};
use switchyard_types::Page;

use super::Client;

/// Parts of one list that are asked for: a part may be short, or empty, where tasks are passed over.
const PARTS_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Pushed {
    id: TaskId,
}

/// What a node answers about its tasks.
impl Client {
    pub(crate) async fn push_task(&self, job: &Value) -> Result<TaskId> {
        let request = self.request(Method::POST, "tasks").header(CONTENT_TYPE, "application/json");
        let pushed: Pushed = self.json(request.body(job.to_string())).await?;
        Ok(pushed.id)
    }

    /// Up to `limit` tasks after `after`.
    pub(crate) async fn tasks(
        &self,
        query: &[(&str, String)],
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<TaskView>> {
        let mut list = Page { items: Vec::new(), continue_token: after.map(str::to_owned) };
        for _ in 0..PARTS_MAX {
            let after: Vec<_> = list.continue_token.take().map(|token| ("continue", token)).into_iter().collect();
            let part: Page<TaskView> = self.json(self.request(Method::GET, "tasks").query(query).query(&after)).await?;
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

    pub(crate) async fn task(&self, id: TaskId) -> Result<TaskView> {
        self.json(self.request(Method::GET, &format!("tasks/{id}"))).await
    }

    pub(crate) async fn retry_task(&self, id: TaskId) -> Result<TaskView> {
        self.json(self.request(Method::POST, &format!("tasks/{id}/retry"))).await
    }
}
