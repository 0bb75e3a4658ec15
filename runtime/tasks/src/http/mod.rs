//! The tasks over HTTP: `GET` and `POST /v1/tasks`, `GET` and `DELETE /v1/tasks/{id}`, `POST /v1/tasks/{id}/retry`.

mod body;
mod handlers;
mod problem;

use axum::{
    Router,
    routing::{get, post},
};

use crate::Tasks;

/// The routes; who may use them is for whoever mounts them to say.
pub fn router(tasks: Tasks) -> Router {
    Router::new()
        .route("/v1/tasks", get(handlers::list).post(handlers::push))
        .route("/v1/tasks/{id}", get(handlers::get).delete(handlers::delete))
        .route("/v1/tasks/{id}/retry", post(handlers::retry))
        .with_state(tasks)
}
