//! Programs that others wrote, unmodified: the OpenTelemetry SDK of Python posts, Prometheus scrapes, and promtool looks
//! for faults in the format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{
    fs,
    io::Write,
    net::TcpListener,
    process::{Command, Stdio},
};

use serde_json::Value;
use support::{Running, Serving, gauge, lines, python, request, requests, wait_until};
use switchyard_telemetry::{Query, Selector, TelemetryConfig};

const NO_PROMETHEUS: &str = "install the package prometheus, or run `cargo xtask test`, whose set-up does it";

const SDK: &str = r#"
import sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

def post(service, compression, temporality, views=()):
    exporter = OTLPMetricExporter(
        endpoint=f"http://{sys.argv[1]}/v1/metrics", compression=compression,
        preferred_temporality={Counter: temporality, Histogram: temporality})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    resource = Resource.create({"service.name": service, "service.instance.id": "1"})
    provider = MeterProvider(metric_readers=[reader], resource=resource, views=list(views))
    meter = provider.get_meter("shop", "2.0")
    orders = meter.create_counter("orders", unit="{order}", description="Orders taken")
    wait = meter.create_histogram("wait", unit="s", description="Time waited")
    level = meter.create_gauge("level", unit="By", description="How full it is")
    for n in range(2):
        orders.add(3, {"paid": True})
        wait.record(0.3 + n)
        level.set(42.5)
        assert provider.force_flush()
    provider.shutdown()

post("cumulative", Compression.NoCompression, AggregationTemporality.CUMULATIVE)
post("delta", Compression.Gzip, AggregationTemporality.DELTA)
post("exponential", Compression.Gzip, AggregationTemporality.DELTA,
     [View(instrument_name="wait", aggregation=ExponentialBucketHistogramAggregation())])
print("ok")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_opentelemetry_sdk_of_python_posts() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    let mut sdk = tokio::process::Command::new(python());
    let said = sdk.args(["-c", SDK, &serving.address.to_string()]).kill_on_drop(true).output().await.unwrap();
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && said.stdout.starts_with(b"ok") && errors.is_empty(), "{errors}");
    let text = serving.metrics().await;
    for service in ["cumulative", "delta", "exponential"] {
        let value = |name: &str| {
            let of_service: Vec<_> =
                lines(&text, name).into_iter().filter(|line| line.contains(&format!("job=\"{service}\""))).collect();
            assert_eq!(of_service.len(), 1, "{service} {name}: {of_service:?}");
            of_service[0].rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!([value("orders_total"), value("level_bytes"), value("wait_seconds_count")], ["6.0", "42.5", "2"]);
        assert!(value("wait_seconds_sum").starts_with("1.6"));
    }
    assert!(text.contains("# HELP orders_total Orders taken\n# TYPE orders_total counter\n"), "{text}");
    let orders = serving.telemetry.query(&Selector::of("orders").with("job", "delta"), Query::Latest);
    assert_eq!(orders[0].series.label("paid"), Some("true"));
    assert_eq!(serving.json("/v1/overview").await["points"]["refused"], serde_json::json!({}));
    serving.stop().await;
}

/// Posts one metric of each kind, with texts that need every escape.
async fn post_some(serving: &Serving) {
    serving.post_json(&request(gauge("plain.level", serde_json::json!(1.5)))).await;
    let mut odd = request(serde_json::json!({
        "name": "odd-things", "unit": "{thing}", "description": "A \"text\"\nof \\ two lines",
        "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [
            {"asInt": "3", "attributes": [
                {"key": "a.b", "value": {"stringValue": "x\"y\\z\n"}},
                {"key": "a_b", "value": {"boolValue": true}},
                {"key": "9", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}},
            ]},
        ]},
    }));
    odd["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array_mut().unwrap().push(serde_json::json!({
        "name": "wait", "unit": "s", "description": "Time waited",
        "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"count": "3", "sum": 2.5, "bucketCounts": ["1", "2", "0"], "explicitBounds": [0.5, 1]},
        ]},
    }));
    assert_eq!(serving.post_json(&odd).await["partialSuccess"], Value::Null);
}

/// What promtool says of an exposition: its exit code and its words.
fn promtool(text: &str) -> (Option<i32>, String) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap_or_else(|error| panic!("{error}: {NO_PROMETHEUS}"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    (said.status.code(), String::from_utf8([said.stdout, said.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_no_fault() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    post_some(&serving).await;
    let text = serving.metrics().await;
    assert_eq!(promtool(&text), (Some(0), String::new()), "{text}");
}

/// Posts what Prometheus has no letters for, or would take for something else.
async fn post_odd(serving: &Serving) {
    let odd =
        ["9", "…", "a b", "x{y=\"z\"} 1", "up\n# EOF", "__name__", "total", "wait_count", "a.b", "a_b", "A:B", "\u{0}"];
    let labelled = |name: &str| {
        let attributes: Vec<_> =
            odd.iter().map(|key| serde_json::json!({"key": key, "value": {"stringValue": "v\"}\n"}})).collect();
        serde_json::json!({"name": name, "unit": name, "description": name,
            "gauge": {"dataPoints": [{"asDouble": 1.5, "attributes": attributes}, {"asInt": "2"}]}})
    };
    serving.post_json(&requests(odd.iter().map(|name| labelled(name)).collect())).await;
}

/// promtool finds such names ugly (3) and reads them nevertheless (not 1).
#[tokio::test(flavor = "multi_thread")]
async fn names_that_prometheus_does_not_have_do_not_break_the_page() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    post_odd(&serving).await;
    post_some(&serving).await;
    let text = serving.metrics().await;
    let (code, said) = promtool(&text);
    assert!([Some(0), Some(3)].contains(&code), "{said}\n{text}");
}

/// In OpenMetrics, which is what Prometheus asks for.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_and_answers() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    post_some(&serving).await;
    post_odd(&serving).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: node, honor_labels: true, static_configs: [{{targets: ['{}']}}]}}]\n",
        serving.address
    );
    fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("prometheus");
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"]);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut prometheus = Running::start(&mut command, NO_PROMETHEUS);

    let ask = async |query: &str| -> Option<Value> {
        let url = format!("http://127.0.0.1:{port}/api/v1/query");
        let answer = serving.http.get(url).query(&[("query", query)]).send().await.ok()?;
        answer.json::<Value>().await.ok()?["data"]["result"].get(0).cloned()
    };
    wait_until("a scraped counter", async || {
        assert!(prometheus.0.try_wait().unwrap().is_none(), "prometheus ended");
        ask("odd_things_total").await.is_some()
    })
    .await;
    let counter = ask("odd_things_total").await.unwrap();
    assert_eq!(counter["value"][1], "3");
    assert_eq!((&counter["metric"]["a_b"], &counter["metric"]["job"]), (&"x\"y\\z\n;true".into(), &"shop".into()));
    let value = async |query: &str| ask(query).await.unwrap()["value"][1].as_str().unwrap().to_owned();
    assert_eq!(value("histogram_quantile(0.5, wait_seconds_bucket)").await, "0.625");
    assert_eq!(value("up{job='node'}").await, "1");
    assert_eq!(value("count(target_info)").await, "1");
    assert!(value("system_memory_limit_bytes").await.parse::<f64>().unwrap() > 1e6);
    let url = format!("http://127.0.0.1:{port}/api/v1/metadata?metric=target");
    let metadata: Value = serving.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["data"]["target"][0]["type"], "info", "OpenMetrics was not scraped: {metadata}");
}
