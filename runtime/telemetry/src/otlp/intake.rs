use std::fmt::Write as _;

use axum::{http::StatusCode, response::Response};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    metrics::v1::{Metric, ResourceMetrics},
};

use super::{
    Encoding, answer,
    labels::{self, Labels},
    points::{self, Point},
};
use crate::{
    Telemetry,
    store::{Kind, Meta, Origin, Refusal, Refused, Store, Value},
};

/// The metric that carries the attributes of a resource.
const TARGET: Meta<'_> = Meta { name: "target_info", unit: "", description: "Target metadata", kind: Kind::Gauge };

/// What became of a request's points.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) points: u64,
    pub(crate) refused: Refused,
}

/// Points put into the store in one hold of its lock: a scrape, or the machine's own figures, wait for no more.
const TURN_POINTS: usize = 1_024;

/// Puts every point of a request into the store.
pub(super) fn put(telemetry: &Telemetry, request: &ExportMetricsServiceRequest) -> Taken {
    let mut taken = Taken::default();
    request.resource_metrics.iter().for_each(|resource| taken.resource(telemetry, resource));
    telemetry.count_posted(&taken);
    taken
}

impl Taken {
    fn resource(&mut self, telemetry: &Telemetry, resource: &ResourceMetrics) {
        let identity = labels::identity(resource.resource.as_ref());
        let mut target = labels::target(resource.resource.as_ref());
        if !identity.is_empty() && !target.is_empty() {
            target.extend(identity.iter().cloned());
            telemetry.with_store(|store, now_ms| put_target(store, now_ms, &target));
        }
        for scope in &resource.scope_metrics {
            let mut around = identity.clone();
            around.extend(labels::scope(scope.scope.as_ref()));
            scope.metrics.iter().for_each(|metric| self.metric(telemetry, &around, metric));
        }
    }

    fn metric(&mut self, telemetry: &Telemetry, around: &Labels<'_>, metric: &Metric) {
        // Also what the decoder of JSON makes of data that it cannot read: how many points there were is not known.
        let Some(data) = &metric.data else { return self.refuse(Refusal::Malformed) };
        let kind = points::kind(data);
        let meta = Meta { name: &metric.name, unit: &metric.unit, description: &metric.description, kind };
        let mut points = points::points(data).peekable();
        while points.peek().is_some() {
            telemetry.with_store(|store, now_ms| {
                for point in points.by_ref().take(TURN_POINTS) {
                    self.count(put_point(store, now_ms, around, meta, point));
                }
            });
        }
    }

    fn count(&mut self, put: Result<(), Refusal>) {
        match put {
            Ok(()) => self.points += 1,
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused.add(refusal, 1);
    }

    /// 200 in every case: a client would send a refused point again, and it would be refused again.
    pub(crate) fn answer(&self, encoding: Encoding) -> Response {
        let rejected_data_points = i64::try_from(self.refused.total()).unwrap_or(i64::MAX);
        let partial = || ExportMetricsPartialSuccess { rejected_data_points, error_message: self.message() };
        let partial_success = (rejected_data_points > 0).then(partial);
        let body = encoding.encode(&ExportMetricsServiceResponse { partial_success });
        answer::answer(StatusCode::OK, encoding, body)
    }

    fn message(&self) -> String {
        let mut text = String::from("points were refused:");
        for (at, (refusal, points)) in self.refused.iter().enumerate() {
            let _ = write!(text, "{} {points} because {refusal}", if at == 0 { "" } else { "," });
        }
        text
    }
}

/// The attributes of a resource are no point of the request: that they have no place is not told to the client.
fn put_target(store: &mut Store, now_ms: u64, target: &Labels<'_>) {
    if let Err(refusal) = store.put(now_ms, Origin::Posted, TARGET, borrowed(target), Value::Now(1.0)) {
        tracing::debug!(%refusal, "the attributes of a resource are not kept");
    }
}

fn put_point(
    store: &mut Store,
    now_ms: u64,
    around: &Labels<'_>,
    meta: Meta<'_>,
    point: Point<'_>,
) -> Result<(), Refusal> {
    let Some(value) = point.value? else { return Ok(()) };
    let attributes = labels::attributes(point.attributes);
    // What stands around comes last and wins: a point cannot claim to be of another job.
    let labels = borrowed(&attributes).chain(borrowed(around));
    store.put_taken(now_ms, Origin::Posted, meta, labels, point.taken, value)
}

fn borrowed<'a>(labels: &'a Labels<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    labels.iter().map(|(name, value)| (*name, &**value))
}
