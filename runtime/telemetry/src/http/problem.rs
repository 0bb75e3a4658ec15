use std::fmt;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use switchyard_types::{ApiError, ErrorCode};

/// An error in the one shape of the `/v1` paths. What concerns OTLP alone has OTLP's shape.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    public: ApiError,
}

impl Problem {
    fn new(status: StatusCode, code: ErrorCode, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self { status, public: ApiError { code, message, stage: None, details: Vec::new() } }
    }

    pub(super) fn invalid(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    }

    pub(super) fn expired(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::GONE, ErrorCode::Expired, message)
    }

    pub(super) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    pub(super) fn method_not_allowed(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message)
    }

    /// Our fault: the caller learns that it happened, the log why.
    pub(super) fn internal() -> Self {
        let message = "the node failed at this request; its log has the cause";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.public)).into_response()
    }
}
