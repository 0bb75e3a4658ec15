use http::{HeaderValue, Response, StatusCode, header};

use super::{answer::AnswerBody, upload::BodyFailure};
use crate::backend::Failure;

/// An answer that the gateway itself gives: a status and a sentence, as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
    /// The client's connection can not be used any more.
    pub(crate) close: bool,
}

impl Problem {
    pub(crate) const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail, close: false }
    }

    pub(crate) const fn closing(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail, close: true }
    }

    /// What a client hears when no try gave an answer; `hopeless`: all backends were unhealthy before.
    pub(crate) fn of(failure: Failure, hopeless: bool) -> Self {
        match failure {
            Failure::Client(BodyFailure::TooLarge) => {
                Self::closing(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than this route takes")
            }
            Failure::Client(BodyFailure::Idle) => {
                Self::closing(StatusCode::REQUEST_TIMEOUT, "the body of the request stopped coming")
            }
            Failure::Client(BodyFailure::Broken) => {
                Self::closing(StatusCode::BAD_REQUEST, "the body of the request broke off")
            }
            Failure::Exhausted => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway has no room for another connection")
            }
            Failure::Full => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the backends have all the requests they may"),
            Failure::Timeout => Self::new(StatusCode::GATEWAY_TIMEOUT, "no backend answered in time"),
            _ if hopeless => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no backend is healthy"),
            Failure::Connect => Self::new(StatusCode::BAD_GATEWAY, "no backend could be reached"),
            Failure::Malformed => Self::new(StatusCode::BAD_GATEWAY, "the backend's answer is not HTTP"),
            Failure::Lost | Failure::Unsent => {
                Self::new(StatusCode::BAD_GATEWAY, "the backend closed the connection without an answer")
            }
        }
    }

    pub(crate) fn answer(self) -> Response<AnswerBody> {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let (status, detail) = (self.status.as_u16(), self.detail);
        let text = format!("{{\"status\":{status},\"title\":\"{title}\",\"detail\":\"{detail}\"}}\n");
        let mut answer = Response::new(AnswerBody::whole(text.into()));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}
