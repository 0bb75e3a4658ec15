//! OTLP/HTTP as clients speak it: what arrives, what is refused and how, and what does not disturb anybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value as Number,
    },
};
use prost::Message;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use support::{Serving, gauge, gzip, lines, request, requests};
use switchyard_telemetry::{Query, Selector, TelemetryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
/// The bound of a body, packed and unpacked.
const BODY_BYTES_MAX: usize = 4 << 20;

async fn serving() -> Serving {
    Serving::start(TelemetryConfig::default()).await
}

/// `google.rpc.Status`, without its details.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// Checks an error in the encoding of its request.
async fn check_error(answer: Response, status: StatusCode, code: i32, part: &str) {
    assert_eq!(answer.status(), status);
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body = answer.bytes().await.unwrap();
    let (found, message) = if content_type == PROTOBUF {
        let status = Status::decode(body).unwrap();
        (status.code, status.message)
    } else {
        assert_eq!(content_type, JSON);
        let status: Value = serde_json::from_slice(&body).unwrap();
        (status["code"].as_i64().unwrap() as i32, status["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(found, code);
    assert!(message.contains(part), "{message}");
}

fn protobuf(points: Vec<NumberDataPoint>) -> Vec<u8> {
    let data = Some(Data::Gauge(Gauge { data_points: points }));
    let metrics = vec![Metric { name: "binary".to_owned(), unit: "By".to_owned(), data, ..Default::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_metric_stands_in_the_exposition() {
    let serving = serving().await;
    assert_eq!(serving.post_json(&request(gauge("queue.length", json!(4.5)))).await["partialSuccess"], Value::Null);
    let text = serving.metrics().await;
    let around = r#"instance="i-1",job="shop",otel_scope_name="lib",otel_scope_version="1""#;
    assert!(text.contains("# HELP queue_length A gauge\n# TYPE queue_length gauge\n"), "{text}");
    assert_eq!(lines(&text, "queue_length"), [format!("queue_length{{{around}}} 4.5")]);
    let target = r#"target_info{deployment_environment="test",instance="i-1",job="shop"} 1.0"#;
    assert_eq!(lines(&text, "target_info"), [target]);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_arrives_packed_and_unpacked() {
    let serving = serving().await;
    for (packed, value) in [(false, 1), (true, 2)] {
        let point = NumberDataPoint { value: Some(Number::AsInt(value)), ..Default::default() };
        let body = protobuf(vec![point]);
        let post = if packed {
            serving.post(PROTOBUF, gzip(&body)).header("content-encoding", "gzip")
        } else {
            serving.post(PROTOBUF, body)
        };
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], PROTOBUF);
        let answer = ExportMetricsServiceResponse::decode(answer.bytes().await.unwrap()).unwrap();
        assert_eq!(answer.partial_success, None);
        let text = serving.metrics().await;
        assert_eq!(lines(&text, "binary_bytes"), [format!("binary_bytes {value}.0")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_and_histograms_of_both_temporalities_add_up() {
    let serving = serving().await;
    let sum = |name: &str, temporality: i32, value: &str, start: &str| {
        json!({"name": name, "sum": {"isMonotonic": true, "aggregationTemporality": temporality, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": "9", "asInt": value},
        ]}})
    };
    let histogram = |name: &str, temporality: i32| {
        json!({"name": name, "unit": "s", "histogram": {"aggregationTemporality": temporality, "dataPoints": [
            {"startTimeUnixNano": "1", "timeUnixNano": "9", "count": "3", "sum": 2.5, "bucketCounts": ["1", "2", "0"],
             "explicitBounds": [0.5, 1]},
        ]}})
    };
    let exponential = json!({"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
        {"startTimeUnixNano": "1", "count": "4", "sum": 9, "scale": 1, "zeroCount": "1",
         "positive": {"offset": 0, "bucketCounts": ["1", "2"]}},
    ]}});
    for (cumulative, start) in [("5", "1"), ("7", "1"), ("3", "2")] {
        let metrics = vec![
            sum("cumulative", 2, cumulative, start),
            sum("delta", 1, cumulative, start),
            histogram("h.cumulative", 2),
            histogram("h.delta", 1),
            exponential.clone(),
        ];
        assert_eq!(serving.post_json(&requests(metrics)).await["partialSuccess"], Value::Null);
    }
    let text = serving.metrics().await;
    let values = |name: &str| -> Vec<String> {
        lines(&text, name).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!((values("cumulative_total"), values("delta_total")), (vec!["10.0".to_owned()], vec!["15.0".to_owned()]));
    assert_eq!(values("h_cumulative_seconds_bucket"), ["1", "3", "3"]);
    assert_eq!(values("h_delta_seconds_bucket"), ["3", "9", "9"]);
    assert_eq!(
        (values("h_delta_seconds_sum"), values("h_delta_seconds_count")),
        (vec!["7.5".to_owned()], vec!["9".to_owned()])
    );
    let below_two = lines(&text, "e_bucket").into_iter().find(|line| line.contains("le=\"2.0\"")).unwrap();
    assert!(below_two.ends_with(" 4") && values("e_count") == ["4"], "{below_two}");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_cannot_be_kept_are_counted_and_the_others_are_taken() {
    let serving = serving().await;
    let metrics = vec![
        gauge("good", json!(1)),
        gauge("nan", json!("NaN")),
        gauge("infinite", json!("Infinity")),
        json!({"name": "summary", "summary": {"dataPoints": [{"count": "1", "sum": 1}, {"count": "1", "sum": 1}]}}),
        json!({"name": "falling", "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [{"asInt": "-1"}]}}),
        json!({"name": "unspecified", "sum": {"isMonotonic": true, "dataPoints": [{"asInt": "1"}]}}),
        json!({"name": "nothing"}),
        gauge("", json!(1)),
    ];
    let answer = serving.post_json(&requests(metrics)).await;
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], 8);
    assert!(partial["errorMessage"].as_str().unwrap().contains("2 because this kind of metric is not supported"));
    let text = serving.metrics().await;
    assert_eq!(lines(&text, "good").len(), 1);
    for refused in ["nan", "infinite"] {
        assert!(lines(&text, refused).is_empty(), "{refused}: {text}");
    }

    // The same in protobuf, where NaN is a number like any other.
    let point = |value: f64| NumberDataPoint { value: Some(Number::AsDouble(value)), ..Default::default() };
    let body = protobuf(vec![point(f64::NAN), point(f64::NEG_INFINITY), point(3.0)]);
    let answer = serving.post(PROTOBUF, body).send().await.unwrap().bytes().await.unwrap();
    let partial = ExportMetricsServiceResponse::decode(answer).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 2);
    let overview = serving.json("/v1/overview").await;
    assert_eq!((&overview["points"]["taken"], &overview["points"]["refused"]["not_finite"]), (&json!(2), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_in_its_own_encoding() {
    let serving = serving().await;
    let malformed = [r#"{"resourceMetrics": [{"#, r#"{"resourceMetrics": 3}"#, "[", "", "\u{0}"];
    for body in malformed {
        let answer = serving.post(JSON, body).send().await.unwrap();
        check_error(answer, StatusCode::BAD_REQUEST, 3, "no ExportMetricsServiceRequest").await;
    }
    let nested = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(50_000), "]}}".repeat(50_000));
    let deep = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":"#.to_owned() + &nested + "}]}}]}";
    check_error(serving.post(JSON, deep).send().await.unwrap(), StatusCode::BAD_REQUEST, 3, "no Export").await;
    for body in [
        vec![0x0a, 0xff],
        vec![0xff; 100],
        b"\x0a\x02\x0a\x00\x12".to_vec(),
        protobuf(vec![Default::default()])[..5].to_vec(),
    ] {
        let answer = serving.post(PROTOBUF, body).send().await.unwrap();
        check_error(answer, StatusCode::BAD_REQUEST, 3, "no ExportMetricsServiceRequest").await;
    }
    let answer = serving.post("text/plain", "x").send().await.unwrap();
    check_error(answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "text/plain").await;
    let answer = serving.post(PROTOBUF, "x").header("content-encoding", "br").send().await.unwrap();
    check_error(answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "br").await;
    let answer = serving.post(PROTOBUF, "no gzip").header("content-encoding", "gzip").send().await.unwrap();
    check_error(answer, StatusCode::BAD_REQUEST, 3, "gzip").await;
    // An empty request is a request.
    assert_eq!(serving.post(PROTOBUF, "").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(serving.post("application/json; charset=utf-8", "{}").send().await.unwrap().status(), StatusCode::OK);
}

/// Sends a body that never says how long it is, and returns how the answer begins.
async fn chunked(address: std::net::SocketAddr) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut reads, mut writes) = stream.into_split();
    let sending = tokio::spawn(async move {
        let head = "POST /v1/metrics HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        writes.write_all(head.as_bytes()).await?;
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        loop {
            writes.write_all(chunk.as_bytes()).await?;
        }
        #[allow(unreachable_code, reason = "it names the type of the error")]
        std::io::Result::Ok(())
    });
    let mut head = [0; 64];
    let got = tokio::time::timeout(support::PATIENCE, reads.read(&mut head)).await.unwrap().unwrap();
    sending.abort();
    String::from_utf8_lossy(&head[..got]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_and_huge_bodies_are_refused() {
    let serving = serving().await;
    let bomb = gzip(&vec![b' '; 256 << 20]);
    assert!(bomb.len() < BODY_BYTES_MAX);
    let answer = serving.post(JSON, bomb).header("content-encoding", "gzip").send().await.unwrap();
    check_error(answer, StatusCode::PAYLOAD_TOO_LARGE, 3, "over 4194304 bytes").await;
    let answer = serving.post(PROTOBUF, vec![0; BODY_BYTES_MAX + 1]).send().await.unwrap();
    check_error(answer, StatusCode::PAYLOAD_TOO_LARGE, 3, "over 4194304 bytes").await;
    let head = chunked(serving.address).await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    // Two million points without a value: two bytes each on the wire.
    let point = vec![NumberDataPoint::default(); 2_000_000];
    let answer = serving.post(PROTOBUF, protobuf(point)).send().await.unwrap();
    check_error(answer, StatusCode::PAYLOAD_TOO_LARGE, 3, "over 500000 messages").await;
    serving.post_json(&request(gauge("after", json!(1)))).await;
    assert_eq!(lines(&serving.metrics().await, "after").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_end_their_bodies_hold_nobody_up() {
    let serving = serving().await;
    let mut silent = Vec::new();
    let head = "POST /v1/metrics HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    for _ in 0..40 {
        let mut stream = tokio::net::TcpStream::connect(serving.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    serving.post_json(&request(gauge("meanwhile", json!(1)))).await;
    assert_eq!(lines(&serving.metrics().await, "meanwhile").len(), 1);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_label_sets_disturbs_nobody() {
    let serving = Serving::start(TelemetryConfig { series_max: 100, ..Default::default() }).await;
    serving.post_json(&request(gauge("good", json!(1)))).await;
    let point = |n: usize| json!({"asInt": "1", "attributes": [{"key": "id", "value": {"intValue": n.to_string()}}]});
    for batch in 0..5 {
        let points: Vec<_> = (0..2_000).map(|n| point(batch * 2_000 + n)).collect();
        serving.post_json(&request(json!({"name": "bad", "gauge": {"dataPoints": points}}))).await;
    }
    let taken = serving.post_json(&request(gauge("good", json!(2)))).await;
    assert_eq!(taken["partialSuccess"], Value::Null);
    let good = serving.telemetry.query(&Selector::of("good"), Query::Latest);
    assert_eq!(good[0].value, 2.0);
    let overview = serving.json("/v1/overview").await;
    // One is `good`, one `target_info`.
    assert_eq!(overview["series"]["posted"], 100);
    assert_eq!(overview["points"]["refused"]["full"], 10_000 - 98);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_the_nodes_own_series() {
    let serving = serving().await;
    let mut forged = request(gauge("system.memory.limit", json!(1)));
    forged["resourceMetrics"][0]["resource"] = json!({});
    forged["resourceMetrics"][0]["scopeMetrics"][0]["scope"] = json!({});
    let answer = serving.post_json(&forged).await;
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], 1);
    let limit = serving.json("/v1/overview").await["host"]["memoryLimitBytes"].as_f64().unwrap();
    assert!(limit > 1e6);
}
