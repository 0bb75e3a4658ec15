use axum::{extract::State, http::header, response::IntoResponse};
use switchyard_types::Digest;

use super::{App, extract::PathOf, schemas::ErrorAnswer};
use crate::problem::Problem;

/// The bytes of a published plugin, checked against the digest.
#[utoipa::path(
    get, path = "/v1/blobs/{digest}", tag = "plugins", operation_id = "getBlob",
    params(("digest" = String, Path, description = "`sha256:` and 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/wasm", body = Vec<u8>),
        (status = 400, description = "Not a digest", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 404, description = "Nothing of this digest was published", body = ErrorAnswer),
        (status = 500, description = "The bytes are damaged; the log has the cause", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_blob(
    State(app): State<App>,
    PathOf(digest): PathOf<Digest>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = app.registry.blob(&digest).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/wasm"),
        // A digest's bytes never change.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes))
}
