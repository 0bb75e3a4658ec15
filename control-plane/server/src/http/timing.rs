use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use switchyard_types::ErrorCode;
use tokio::time::timeout;

use crate::problem::Problem;

/// Gives up on a request that takes too long. What it has begun in the store happens wholly or not at all.
pub(super) async fn within(State(bound): State<Duration>, request: Request, next: Next) -> Result<Response, Problem> {
    timeout(bound, next.run(request)).await.map_err(|_| {
        let message = format!(
            "the request was not done within {} s: read back whether something changed, then try again",
            bound.as_secs_f32()
        );
        Problem::new(ErrorCode::Unavailable, message)
    })
}
