use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};
use serde::de::DeserializeOwned;
use switchyard_types::{ErrorCode, format_bytes};

use super::body;
use crate::{
    paging::{PageQuery, PageRequest},
    problem::Problem,
};

/// Bytes of a JSON body: what one value of the store can hold.
const JSON_BYTES_MAX: u64 = 1 << 20;

/// A JSON body. What is wrong with one is said with the path of the key.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        check_type(request.headers(), "application/json")?;
        let too_large = || {
            let bound = format_bytes(JSON_BYTES_MAX);
            Problem::new(
                ErrorCode::TooLarge,
                format_args!("the body is over {bound}: a declaration is no place for data"),
            )
        };
        let bytes = body::read(request.into_body(), JSON_BYTES_MAX, too_large).await?;
        match Json::from_bytes(&bytes) {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(malformed("body", &rejection.body_text())),
        }
    }
}

/// A query string; a parameter that does not exist is refused, not passed over.
pub(super) struct QueryOf<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(malformed("query", &rejection.body_text())),
        }
    }
}

/// Which part of a list: `limit` and `continue`, the same for every list.
impl<S: Send + Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryOf(query) = QueryOf::<PageQuery>::from_request_parts(parts, state).await?;
        Self::parse(query)
    }
}

/// Parts of the path, each a name, version or digest.
pub(super) struct PathOf<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(malformed("path", &rejection.body_text())),
        }
    }
}

/// The framework's text begins with what it tried in Rust's words; what follows is the key and what is wrong with it.
fn malformed(part: &str, text: &str) -> Problem {
    let reason = text.split_once(": ").map_or(text, |(_, reason)| reason);
    Problem::invalid(format_args!("the {part} is not valid: {reason}"))
}

/// Refuses a body of another type than the one that the path takes; parameters such as the character set are passed over.
pub(super) fn check_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let found: String = found.chars().take(80).collect();
    let message = format!("the Content-Type is {found:?}: expected {expected}");
    Err(Problem::new(ErrorCode::UnsupportedMediaType, message))
}
