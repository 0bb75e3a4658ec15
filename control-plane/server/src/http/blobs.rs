use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use switchyard_types::{Digest, ErrorCode};

use super::{App, extract::PathOf, schemas::ErrorAnswer};
use crate::{problem::Problem, token::Role};

/// The bytes of a published plugin, checked against the digest.
#[utoipa::path(
    get, path = "/v1/blobs/{digest}", tag = "plugins", operation_id = "getBlob",
    params(("digest" = String, Path, description = "`sha256:` and 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes", content_type = "application/wasm", body = Vec<u8>),
        (status = 206, description = "What comes after the offset that `Range: bytes=N-` names",
         content_type = "application/wasm", body = Vec<u8>),
        (status = 400, description = "Not a digest", body = ErrorAnswer),
        (status = 401, description = "No token, or a wrong one", body = ErrorAnswer),
        (status = 403, description = "The token is another than the one that this takes", body = ErrorAnswer),
        (status = 416, description = "The offset is at or behind the end", body = ErrorAnswer),
        (status = 404, description = "Nothing of this digest was published", body = ErrorAnswer),
        (status = 429, description = "Too many different plugins are being sent at once", body = ErrorAnswer),
        (status = 500, description = "The bytes are damaged; the log has the cause", body = ErrorAnswer),
    ),
)]
pub(super) async fn get_blob(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    PathOf(digest): PathOf<Digest>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let bytes = app.registry.blob(&digest, role).await?;
    let fixed = [
        (header::CONTENT_TYPE, "application/wasm"),
        // A digest's bytes never change.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (header::ACCEPT_RANGES, "bytes"),
    ];
    let Some(offset) = headers.get(header::RANGE).and_then(offset) else {
        return Ok((fixed, bytes).into_response());
    };
    let whole = bytes.len();
    if offset >= whole {
        let message = format!("the plugin has {whole} bytes: there is nothing after {offset}");
        return Err(Problem::new(ErrorCode::OutOfRange, message));
    }
    let range = [(header::CONTENT_RANGE, format!("bytes {offset}-{}/{whole}", whole - 1))];
    Ok((StatusCode::PARTIAL_CONTENT, fixed, range, bytes.slice(offset..)).into_response())
}

/// Of `bytes=N-`. Any other range is passed over, as RFC 9110 allows, and everything is sent.
fn offset(range: &HeaderValue) -> Option<usize> {
    range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}
