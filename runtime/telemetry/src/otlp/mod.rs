//! OTLP/HTTP in: the body (bounded, also when it is unpacked), its decoding, and what becomes of each point. A request is
//! refused as a whole only where it cannot be read; else each point is taken or refused for itself and the answer says
//! how many were refused, as the specification's partial success.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod answer;
mod body;
mod encoding;
mod exponential;
mod gates;
mod intake;
mod labels;
mod parts;
mod points;
mod unpack;

pub(crate) use answer::Refused;
pub(crate) use body::BODY_BYTES_MAX;
pub(crate) use encoding::Encoding;
pub(crate) use gates::Gates;
pub(crate) use intake::Taken;

use axum::{
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};

use crate::Telemetry;

/// `POST /v1/metrics`.
pub(crate) async fn post_metrics(State(telemetry): State<Telemetry>, request: Request) -> Response {
    let encoding = match Encoding::of(request.headers()) {
        Ok(encoding) => encoding,
        Err(refused) => return refused.in_encoding(Encoding::Json).into_response(),
    };
    match take(telemetry, encoding, request).await {
        Ok(taken) => taken.answer(encoding),
        Err(refused) => refused.in_encoding(encoding).into_response(),
    }
}

async fn take(telemetry: Telemetry, encoding: Encoding, request: Request) -> Result<Taken, Refused> {
    let packed = body::packing(request.headers())?;
    let (body, room) = body::read(telemetry.gates(), request.into_body()).await?;
    let turn = telemetry.gates().turn().await;
    let work = move || {
        // Here and not around it: when the client goes away, the work goes on and still has its room and its turn.
        let _held = (room, turn);
        decode_and_put(&telemetry, encoding, packed, &body)
    };
    // Large bodies take milliseconds, and other clients must not wait for it.
    tokio::task::spawn_blocking(work).await.map_err(|_| Refused::internal())?
}

fn decode_and_put(
    telemetry: &Telemetry,
    encoding: Encoding,
    packed: body::Packing,
    body: &Bytes,
) -> Result<Taken, Refused> {
    let plain = unpack::unpack(packed, body, BODY_BYTES_MAX)?;
    parts::check(encoding, &plain)?;
    let request = encoding.decode(&plain)?;
    Ok(intake::put(telemetry, &request))
}
