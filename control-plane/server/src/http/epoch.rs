use axum::{Json, extract::State};
use serde::Deserialize;
use switchyard_types::Generation;

use super::{
    App,
    extract::QueryOf,
    schemas::{self, ErrorAnswer},
};
use crate::problem::Problem;

/// Epochs that nobody reaches by raising them one by one: what is left above must be enough for ever.
const EPOCH_MAX: u32 = 1_000_000_000;

/// To which epoch.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EpochQuery {
    /// To this one at least; absent: to the next.
    to: Option<u32>,
}

/// Seals what is declared under a new epoch: after the store was restored from a backup, or what is declared was deleted, nodes that
/// have seen newer generations follow again.
#[utoipa::path(
    post, path = "/v1/epoch", tag = "server", operation_id = "raiseEpoch",
    params(EpochQuery),
    responses(
        (status = 200, description = "The generation that nodes follow from now on", body = schemas::Generation),
        (status = 400, description = "No such epoch", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 503, description = "The store does not answer", body = ErrorAnswer),
    ),
)]
pub(super) async fn raise_epoch(
    State(app): State<App>,
    QueryOf(EpochQuery { to }): QueryOf<EpochQuery>,
) -> Result<Json<Generation>, Problem> {
    let to = to.unwrap_or_default();
    if to > EPOCH_MAX {
        return Err(Problem::invalid(format_args!("to is {to}: at most {EPOCH_MAX} is taken")));
    }
    Ok(Json(app.desired.raise_epoch(to).await?))
}
