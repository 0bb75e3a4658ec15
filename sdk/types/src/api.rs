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
    /// 422: refused at a stage; see `stage`.
    Refused,
    /// 429: too much of this at once.
    Busy,
    /// 500: our fault; the log has the cause.
    Internal,
    /// 503: the store does not answer.
    Unavailable,
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
}
