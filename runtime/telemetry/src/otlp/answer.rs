use std::fmt;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::Encoding;

/// Characters of what a client sent that an answer repeats.
const QUOTED_MAX: usize = 80;

/// The codes of `google.rpc.Code` that are used.
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const RESOURCE_EXHAUSTED: i32 = 8;
const INTERNAL: i32 = 13;

/// `google.rpc.Status`, the body of every error by OTLP/HTTP; without `details`, which nobody reads.
#[derive(Clone, PartialEq, Serialize, prost::Message)]
pub(crate) struct Status {
    /// A `google.rpc.Code`.
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

/// Why a request was refused as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    http: StatusCode,
    status: Status,
}

impl Refused {
    fn new(http: StatusCode, code: i32, message: impl fmt::Display) -> Self {
        Self { http, status: Status { code, message: message.to_string() } }
    }

    pub(crate) fn malformed(error: &dyn fmt::Display) -> Self {
        let message = format_args!("the body is no ExportMetricsServiceRequest: {error}");
        Self::new(StatusCode::BAD_REQUEST, INVALID_ARGUMENT, message)
    }

    pub(crate) fn broken_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_ARGUMENT, "the body broke off before its end")
    }

    pub(crate) fn unpackable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_ARGUMENT, "the body is not valid gzip")
    }

    pub(crate) fn media_type(found: &str) -> Self {
        let found: String = found.chars().take(QUOTED_MAX).collect();
        let message =
            format_args!("the Content-Type is {found:?}: expected application/x-protobuf or application/json");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT, message)
    }

    pub(crate) fn packing(found: &str) -> Self {
        let found: String = found.chars().take(QUOTED_MAX).collect();
        let message = format_args!("the Content-Encoding is {found:?}: expected gzip or none");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT, message)
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format_args!("the body is over {bytes_max} bytes, packed or unpacked: send smaller batches");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID_ARGUMENT, message)
    }

    pub(crate) fn too_many_parts(parts_max: usize) -> Self {
        let message = format_args!("the body has over {parts_max} messages: send smaller batches");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID_ARGUMENT, message)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, DEADLINE_EXCEEDED, "the body took too long to arrive")
    }

    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED, "too many post at once: try again in a second")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "the node failed at this request; its log has the cause")
    }

    pub(crate) fn in_encoding(self, encoding: Encoding) -> impl IntoResponse {
        let mut response = answer(self.http, encoding, encoding.encode(&self.status));
        if self.http == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) fn answer(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, encoding.content_type());
    response
}
