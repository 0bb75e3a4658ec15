use serde::{Deserialize, Serialize};

use crate::Stage;

/// What went wrong, for programs. Every error of the admin API carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// 400: the request is not of the right shape.
    InvalidRequest,
    /// 401: no token, or a wrong one.
    Unauthenticated,
    /// 403: not from there, whoever it is.
    Forbidden,
    /// 404: no such thing.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: the document has changed since it was read, or the name is taken.
    Conflict,
    /// 410: a list's `continue` token is too old.
    Expired,
    /// 413: the body is over its bound.
    TooLarge,
    /// 415: the body is not of the type that this path takes.
    UnsupportedMediaType,
    /// 416: the range begins behind the end.
    OutOfRange,
    /// 422: refused at a stage; see `stage`.
    Refused,
    /// 429: too much of this at once.
    Busy,
    /// 500: our fault; the log has the cause.
    Internal,
    /// 500: what stands in the store was not written by a server of this fleet, and is neither followed nor replaced.
    Untrusted,
    /// 503: the store does not answer.
    Unavailable,
    /// 507: the store is full and takes no writes; nothing was changed.
    StoreFull,
}

/// The one shape of an error of the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// One sentence that says what to do.
    pub message: String,
    /// Where a plugin or strategy was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What exactly was wrong, an entry a finding, for example a path in a configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// At most `limit` of them, by name.
    pub items: Vec<T>,
    /// Where the next part begins; none: this was the last.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
    /// The version of the store at which the part was read: a watch that begins there misses nothing. None: the list is not from
    /// the store.
    #[serde(default, rename = "resourceVersion", skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<u64>,
}

impl<T> Page<T> {
    /// Part of a list that cannot be watched.
    pub fn new(items: Vec<T>, continue_token: Option<String>) -> Self {
        Self { items, continue_token, resource_version: None }
    }
}
