use axum::{Json, extract::State};
use switchyard_types::Generation;

use super::{
    App,
    schemas::{self, ErrorAnswer},
};
use crate::problem::Problem;

/// Seals what is declared under a new epoch: after the store was restored from a backup, nodes that have seen newer
/// generations follow again.
#[utoipa::path(
    post, path = "/v1/epoch", tag = "server", operation_id = "raiseEpoch",
    responses(
        (status = 200, description = "The generation that nodes follow from now on", body = schemas::Generation),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 503, description = "The store does not answer", body = ErrorAnswer),
    ),
)]
pub(super) async fn raise_epoch(State(app): State<App>) -> Result<Json<Generation>, Problem> {
    Ok(Json(app.desired.raise_epoch().await?))
}
