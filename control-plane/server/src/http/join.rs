use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, schemas::ErrorAnswer};

/// What a node that joins is told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Joined {
    /// The public key of the fleet's servers, which the node pins: `ed25519:` and 64 hexadecimal digits.
    trust: String,
    /// The server's version.
    version: String,
}

/// What a node must know before it follows this fleet.
#[utoipa::path(
    get, path = "/v1/join", tag = "server", operation_id = "join",
    responses(
        (status = 200, description = "The key to pin", body = Joined),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 503, description = "The store does not answer", body = ErrorAnswer),
    ),
)]
pub(super) async fn join(State(app): State<App>) -> Json<Joined> {
    Json(Joined { trust: app.trust.to_string(), version: env!("CARGO_PKG_VERSION").to_owned() })
}
