use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use switchyard_types::{ApiError, ErrorCode};

use crate::TasksError;

/// Why a request was not done: what the caller reads, and what only the log gets. The shape is that of the admin API.
#[derive(Debug)]
pub(super) struct Problem {
    code: ErrorCode,
    message: String,
    cause: Option<TasksError>,
}

impl Problem {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }
}

impl From<TasksError> for Problem {
    fn from(error: TasksError) -> Self {
        let code = match &error {
            TasksError::Invalid(_) => ErrorCode::InvalidRequest,
            TasksError::TooLarge { .. } => ErrorCode::TooLarge,
            TasksError::NotFound(_) => ErrorCode::NotFound,
            TasksError::Refused(_) | TasksError::Leased(_) | TasksError::Waiting(_) | TasksError::NotHeld(_) => {
                ErrorCode::Conflict
            }
            TasksError::Full(_) => ErrorCode::Busy,
            TasksError::Failed { .. } => ErrorCode::Unavailable,
            TasksError::Locked { .. }
            | TasksError::Format(_)
            | TasksError::Disk(_)
            | TasksError::Random(_)
            | TasksError::Listen(_) => ErrorCode::Internal,
        };
        match code {
            ErrorCode::Internal => {
                let message = "the task engine failed at this request; its log has the cause".to_owned();
                Self { code, message, cause: Some(error) }
            }
            code => Self::new(code, error.to_string()),
        }
    }
}

/// The codes of `docs/http-status-codes.md` that the tasks use.
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(error) = &self.cause {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "a request about tasks failed");
        }
        let error = ApiError { code: self.code, message: self.message, stage: None, details: Vec::new() };
        (status(self.code), Json(error)).into_response()
    }
}
