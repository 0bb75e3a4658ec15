//! The tasks over HTTP: `GET` and `POST /v1/tasks`, `GET` and `DELETE /v1/tasks/{id}`, `POST /v1/tasks/{id}/retry`; and
//! their queues, `GET /v1/queues`.

mod body;
mod guard;
mod handlers;
mod problem;

use axum::{
    Router, middleware,
    routing::{get, post},
};

use crate::Tasks;

/// The routes. Who may look is for whoever mounts them to say; who may change something, `guard.rs` does.
pub fn router(tasks: Tasks) -> Router {
    Router::new()
        .route("/v1/tasks", get(handlers::list).post(handlers::push))
        .route("/v1/tasks/{id}", get(handlers::get).delete(handlers::delete))
        .route("/v1/queues", get(handlers::queues))
        .route("/v1/tasks/{id}/retry", post(handlers::retry))
        .method_not_allowed_fallback(handlers::wrong_method)
        .route_layer(middleware::from_fn_with_state(tasks.clone(), guard::guard))
        .with_state(tasks)
}
