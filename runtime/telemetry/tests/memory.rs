//! A million label sets over the wire: what is refused leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
    },
};
use prost::Message;
use support::{Serving, lines};
use switchyard_telemetry::TelemetryConfig;

const LABEL_SETS: usize = 1_000_000;
const BATCH: usize = 20_000;
/// What the process may have grown by, in bytes. A series that is kept takes some 600: a million would take 600 MB.
const GROWTH_BYTES_MAX: usize = 24 << 20;

fn point(number: usize) -> NumberDataPoint {
    let value = any_value::Value::StringValue(format!("user-{number}"));
    let value = Some(AnyValue { value: Some(value) });
    let attributes = vec![KeyValue { key: "user".to_owned(), value, key_strindex: 0 }];
    NumberDataPoint { attributes, value: Some(Value::AsInt(1)), ..Default::default() }
}

fn batch(first: usize) -> Vec<u8> {
    let data = Some(Data::Gauge(Gauge { data_points: (first..first + BATCH).map(point).collect() }));
    let metrics = vec![Metric { name: "flood".to_owned(), data, ..Default::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics, ..Default::default() }] }
        .encode_to_vec()
}

/// Resident memory of this process that is not of files, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn a_million_label_sets_leave_nothing_behind() {
    let serving = Serving::start(TelemetryConfig { series_max: 1_000, ..Default::default() }).await;
    let mut refused = 0;
    let mut after_first = 0;
    for first in (0..LABEL_SETS).step_by(BATCH) {
        let answer = serving.post("application/x-protobuf", batch(first)).send().await.unwrap();
        let answer = ExportMetricsServiceResponse::decode(answer.bytes().await.unwrap()).unwrap();
        refused += answer.partial_success.map_or(0, |partial| partial.rejected_data_points);
        // The first ones fill the store and warm the allocator up.
        if first == BATCH {
            after_first = resident();
        }
    }
    assert_eq!(refused as usize, LABEL_SETS - 1_000);
    let grown = resident().saturating_sub(after_first);
    assert!(grown < GROWTH_BYTES_MAX, "it grew by {grown} bytes");
    assert_eq!(lines(&serving.metrics().await, "flood").len(), 1_000);
    serving.stop().await;
}
