use std::any::Any;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, Method, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{alerts, problem::Problem};
use crate::{Telemetry, exposition::Format, otlp, overview::Overview, scoring::ScoreEntry};

/// Characters of a path that an error repeats.
const QUOTED_MAX: usize = 100;

/// Every path of telemetry: `POST /v1/metrics` (OTLP), `GET /metrics` (Prometheus), `GET /v1/overview`, `/v1/alerts`,
/// `/v1/scores` and `/v1/scores/{scope}`.
pub fn router(telemetry: Telemetry) -> Router {
    Router::new()
        .route("/v1/metrics", post(otlp::post_metrics))
        .route("/metrics", get(get_metrics))
        .route("/v1/overview", get(get_overview))
        .route("/v1/alerts", get(alerts::list))
        .route("/v1/scores", get(list_scores))
        .route("/v1/scores/{scope}", get(get_score))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(telemetry)
}

/// Written off the async threads: ten thousand series take some milliseconds.
async fn get_metrics(State(telemetry): State<Telemetry>, headers: HeaderMap) -> Result<Response, Problem> {
    let format = Format::of(&headers);
    let text = blocking(move || telemetry.exposition(format)).await?;
    Ok(([(CONTENT_TYPE, format.content_type())], text).into_response())
}

async fn get_overview(State(telemetry): State<Telemetry>) -> Result<Json<Overview>, Problem> {
    blocking(move || Overview::of(&telemetry)).await.map(Json)
}

async fn list_scores(State(telemetry): State<Telemetry>) -> Json<Vec<ScoreEntry>> {
    Json(telemetry.scores().list())
}

async fn get_score(State(telemetry): State<Telemetry>, Path(scope): Path<String>) -> Result<Json<ScoreEntry>, Problem> {
    let unknown = || {
        let scope: String = scope.chars().take(QUOTED_MAX).collect();
        Problem::not_found(format_args!("there is no score of {scope:?}: GET /v1/scores lists them"))
    };
    telemetry.scores().get(&scope).map(Json).ok_or_else(unknown)
}

pub(super) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
}

async fn unknown_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(QUOTED_MAX).collect();
    Problem::not_found(format_args!("there is no path {path:?}"))
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let message = format_args!("{} does not take {method}: the Allow header says what it takes", uri.path());
    Problem::method_not_allowed(message)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    tracing::error!(panic = text, "a request failed");
    Problem::internal().into_response()
}
