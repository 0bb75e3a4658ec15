use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
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

/// What one transaction of a store may be, with its values in base64, and what stands around them.
const WIRE_BYTES_MAX: u64 = 4 << 20;

/// A JSON body of another part of Switchyard.
pub(super) struct WireBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        json(request, JSON_BYTES_MAX).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for WireBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        json(request, WIRE_BYTES_MAX).await.map(Self)
    }
}

async fn json<T: DeserializeOwned>(request: Request, bytes_max: u64) -> Result<T, Problem> {
    check_type(request.headers(), "application/json")?;
    let too_large = || {
        let bound = format_bytes(bytes_max);
        Problem::new(ErrorCode::TooLarge, format_args!("the body is over {bound}: a declaration is no place for data"))
    };
    let bytes = body::read(request.into_body(), bytes_max, too_large).await?;
    Json::from_bytes(&bytes).map(|Json(value)| value).map_err(|rejection| malformed("body", &rejection.body_text()))
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

/// Whether something is wanted: `1` or `true`, `0` or `false`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "1" | "true" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err(serde::de::Error::custom("expected 1 or 0")),
        }
    }
}

/// Of lists that can be watched.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Entries wanted, 1 to 500; 100 unless given.
    limit: Option<usize>,
    /// From an earlier answer's `continue`: what comes after it.
    #[serde(rename = "continue")]
    #[param(rename = "continue")]
    continue_token: Option<String>,
    /// `1`: the answer goes on with every change, one JSON value a line: `{type, object}` with the types `ADDED`, `MODIFIED`,
    /// `DELETED`, `BOOKMARK` and, at its end, `ERROR`.
    #[serde(default)]
    #[param(value_type = Option<u8>)]
    watch: Flag,
    /// Of a watch: from where to go on, as a list or a bookmark said it. Absent: everything that is there is told first.
    #[serde(rename = "resourceVersion")]
    #[param(rename = "resourceVersion")]
    resource_version: Option<u64>,
}

/// What is wanted of a list.
pub(super) enum Listing {
    /// Part of it.
    Part(PageRequest),
    /// Its changes, from a version on.
    Watch(Option<u64>),
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryOf(query) = QueryOf::<ListQuery>::from_request_parts(parts, state).await?;
        let ListQuery { limit, continue_token, watch, resource_version } = query;
        match (watch.0, resource_version) {
            (true, _) if limit.is_some() || continue_token.is_some() => {
                Err(Problem::invalid("a watch takes neither limit nor continue: it tells of everything"))
            }
            (true, version) => Ok(Self::Watch(version)),
            (false, None) => PageRequest::parse(PageQuery { limit, continue_token }).map(Self::Part),
            (false, Some(_)) => Err(Problem::invalid("resourceVersion goes with watch=1 only")),
        }
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
