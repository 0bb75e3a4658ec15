use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use switchyard_store::{Range, keyspace};
use utoipa::ToSchema;

use super::{App, schemas::ErrorAnswer};
use crate::problem::Problem;

/// That the server works, and its store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Health {
    /// `ok`; a server that is not answers with an error.
    status: String,
    /// The server's version.
    version: String,
    /// `ok`: it has just answered.
    store: String,
    /// The store's revision.
    revision: u64,
}

/// Whether the server works. The only path that needs no token.
#[utoipa::path(
    get, path = "/v1/health", tag = "server", operation_id = "getHealth", security(()),
    responses(
        (status = 200, description = "It works, and its store answers", body = Health),
        (status = 503, description = "The store does not answer", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_health(State(app): State<App>) -> Result<Json<Health>, Problem> {
    let snapshot = app.store.list(Range { prefix: keyspace::SEAL, after: None, limit: 1 }).await?;
    Ok(Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: "ok".to_owned(),
        revision: snapshot.revision.0,
    }))
}
