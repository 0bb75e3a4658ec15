use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{CONTENT_TYPE, LOCATION},
    },
    response::{AppendHeaders, IntoResponse},
};
use serde::{Deserialize, Serialize};
use switchyard_types::{ErrorCode, Page};

use super::{body, problem::Problem};
use crate::{QueueFigures, TaskFilter, TaskId, TaskState, TaskView, Tasks, TasksError};

/// Tasks of a page unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// Tasks of a page at most.
const LIMIT_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    queue: Option<String>,
    state: Option<TaskState>,
    limit: Option<usize>,
    /// The last task of an earlier page.
    #[serde(rename = "continue")]
    after: Option<u64>,
}

pub(super) async fn list(State(tasks): State<Tasks>, uri: Uri) -> Result<Json<Page<TaskView>>, Problem> {
    let wrong = |message: String| Problem::new(ErrorCode::InvalidRequest, message);
    let query = Query::<ListQuery>::try_from_uri(&uri);
    let Query(query) = query.map_err(|error| wrong(format!("the query is not valid: {}", error.body_text())))?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(wrong(format!("limit is {limit}: expected 1 to {LIMIT_MAX}")));
    }
    let filter = TaskFilter { queue: query.queue, state: query.state, after: query.after.map(TaskId) };
    let (items, next) = tasks.list(filter, limit);
    Ok(Json(Page::new(items, next.map(|id| id.to_string()))))
}

/// A queue, for people and programs that look.
#[derive(Serialize)]
pub(super) struct QueueView {
    name: Arc<str>,
    #[serde(flatten)]
    figures: QueueFigures,
}

/// All of them at once: there is a bound.
pub(super) async fn queues(State(tasks): State<Tasks>) -> Json<Page<QueueView>> {
    let view = |(name, figures)| QueueView { name, figures };
    Json(Page::new(tasks.figures().queues.into_iter().map(view).collect(), None))
}

/// The body is a job as the Faktory protocol has it.
pub(super) async fn push(
    State(tasks): State<Tasks>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    if !is_json(&headers) {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, "a job is application/json: set Content-Type"));
    }
    let job = body::read(body, tasks.config().job_bytes_max).await?;
    let id = tasks.push(on_one_line(job)).await?;
    let location = AppendHeaders([(LOCATION, format!("/v1/tasks/{id}"))]);
    Ok((StatusCode::CREATED, location, Json(serde_json::json!({ "id": id }))))
}

/// A page of another site may send anything but this without being asked.
fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

/// Some workers read a job up to the end of its line. A JSON text has ends of lines between its parts only.
fn on_one_line(job: Bytes) -> Bytes {
    if !job.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return job;
    }
    job.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

pub(super) async fn get(State(tasks): State<Tasks>, Path(id): Path<String>) -> Result<Json<TaskView>, Problem> {
    Ok(Json(look(tasks, task(&id)?).await?))
}

/// It may have to wait for the disk, and this thread serves others.
async fn look(tasks: Tasks, id: TaskId) -> Result<TaskView, Problem> {
    let view = tokio::task::spawn_blocking(move || tasks.get(id)).await;
    Ok(view.map_err(TasksError::disk)??)
}

pub(super) async fn retry(State(tasks): State<Tasks>, Path(id): Path<String>) -> Result<Json<TaskView>, Problem> {
    let id = task(&id)?;
    tasks.retry(id).await?;
    Ok(Json(look(tasks, id).await?))
}

pub(super) async fn delete(State(tasks): State<Tasks>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    tasks.delete(task(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn wrong_method() -> Problem {
    Problem::new(ErrorCode::MethodNotAllowed, "this path does not take this method: see the Allow header")
}

fn task(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|_| Problem::new(ErrorCode::NotFound, "there is no such task: a task is named by its number"))
}
