use axum::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde::Serialize;

use super::Refused;

/// The two encodings of OTLP/HTTP. An answer is in the encoding of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// By the `Content-Type`; parameters such as the character set are passed over.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        match found.split(';').next().unwrap_or("").trim() {
            essence if essence.eq_ignore_ascii_case("application/x-protobuf") => Ok(Self::Protobuf),
            essence if essence.eq_ignore_ascii_case("application/json") => Ok(Self::Json),
            _ => Err(Refused::media_type(found)),
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    pub(crate) fn decode(self, body: &[u8]) -> Result<ExportMetricsServiceRequest, Refused> {
        match self {
            Self::Protobuf => ExportMetricsServiceRequest::decode(body).map_err(|error| Refused::malformed(&error)),
            Self::Json => serde_json::from_slice(body).map_err(|error| Refused::malformed(&error)),
        }
    }

    pub(crate) fn encode<M: Message + Serialize>(self, message: &M) -> Vec<u8> {
        match self {
            Self::Protobuf => message.encode_to_vec(),
            // Texts and numbers: there is nothing in it that JSON cannot hold.
            Self::Json => serde_json::to_vec(message).unwrap_or_default(),
        }
    }
}
