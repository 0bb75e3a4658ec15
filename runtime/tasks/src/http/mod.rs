//! The tasks over HTTP: `GET` and `POST /v1/tasks`, `GET` and `DELETE /v1/tasks/{id}`, `POST /v1/tasks/{id}/retry`.

mod handlers;
mod problem;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::Tasks;

/// The routes; who may use them is for whoever mounts them to say.
pub fn router(tasks: Tasks) -> Router {
    let body_bytes_max = tasks.config().job_bytes_max;
    Router::new()
        .route("/v1/tasks", get(handlers::list).post(handlers::push))
        .route("/v1/tasks/{id}", get(handlers::get).delete(handlers::delete))
        .route("/v1/tasks/{id}/retry", post(handlers::retry))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(tasks)
}
