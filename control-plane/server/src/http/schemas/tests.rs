//! The shapes of the document are those of the types: the same keys, and values that are valid by them.

use serde_json::{Value, json};
use switchyard_types::{
    ApiError, ErrorCode, EventKind, FleetCounts, FleetEvent, HookReport, ListedNode, NodeStatus, Page, PluginManifest,
    ReportAnswer, ReportBatch, RouteDocument, Stage, StageFailure, StrategyDocument,
};

use super::super::openapi;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn components() -> Value {
    serde_json::to_value(openapi()).unwrap()["components"]["schemas"].clone()
}

/// `value` is valid by the shape, and has every key of it and no other.
fn check(components: &Value, shape: &str, value: &Value) {
    let schema = json!({"$ref": format!("#/components/schemas/{shape}"), "components": {"schemas": components}});
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let findings: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(findings.is_empty(), "{shape}: {findings:?}");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(value), keys(&components[shape]["properties"]), "{shape}");
}

/// With every optional key.
fn manifest() -> Value {
    let interests = json!({"events": ["hit"], "batch": 64, "tick_ms": 1000, "keys": true,
                           "dense_scores": false});
    json!({
        "name": "a", "version": "0.1.0", "digest": DIGEST, "size_bytes": 1, "kinds": ["caching"],
        "contracts": ["switchyard:caching@0.1.0"], "configuration_schema": {"type": "object"},
        "configuration_default": {}, "state_format": "a", "interests": interests, "counters": ["c"], "gauges": [],
    })
}

fn document() -> Value {
    let limits = json!({"waited_call_us": 1, "batched_call_us": 1, "lifecycle_call_us": 1, "memory_bytes": 1});
    let spec = json!({"kind": "caching", "plugin": "a@0.1.0", "target": "t", "selector": {"region": ["eu", "us"]},
                      "cohort": {"from_percent": 0, "to_percent": 10, "salt": "x"}, "priority": -1, "limits": limits, "configuration": {"x": 1}});
    let status = json!({"generation": {"epoch": 0, "counter": 1}, "digest": DIGEST, "configuration": {"x": 1},
                        "fleet": FleetCounts::default(), "warnings": ["w"]});
    json!({"kind": "Strategy", "name": "s", "labels": {"team": "web"}, "resourceVersion": 7, "spec": spec,
           "status": status})
}

fn route() -> Value {
    let spec = json!({"selector": {"region": "eu"}, "cohort": {"to_percent": 12.5}, "hosts": ["h"], "backends": [{"name": "a", "address": "h:1"}],
                      "health": {"path": "/"}, "timeouts": {"total_ms": 1}, "retry": {"on": ["5xx"]},
                      "affinity_header": "x-user"});
    json!({"kind": "Route", "name": "r", "labels": {"team": "web"}, "resourceVersion": 7, "spec": spec,
           "status": {"generation": {"epoch": 0, "counter": 1}, "warnings": ["w"]}})
}

fn node() -> Value {
    let version = json!({"strategy": "s", "generation": {"epoch": 0, "counter": 1}, "digest": DIGEST});
    let failure = json!({"version": version, "stage": "self-test", "reason": "r", "at_unix_ms": 1, "took_ms": 0.5,
                         "attempts": 1, "retry_at_unix_ms": 2});
    let staging = json!({"version": version, "stage": "adopt", "since_unix_ms": 1});
    let shards = json!({"shards": 2, "quarantined": 0, "memory_bytes": 1, "victims_unknown": 0,
                        "fallback_evictions": 0, "log_lines_dropped": 0, "metrics_undeclared": 0,
                        "counters": {"c": 1.5}});
    let hook = json!({"calls": 1, "traps": 0, "out_of_memory": 0, "budget_exceeded": 0, "starved": 0, "invalid": 0, "fallbacks": 0,
                      "busy": 0, "latency_p50_ns": 1, "latency_p99_ns": 2, "cpu_mean_ns": 3});
    let slot = json!({
        "slot": {"kind": "caching", "target": ""}, "received": version, "staged": version, "active": version,
        "last_healthy": version, "last_failure": failure, "staging": staging, "going_back_ms": 1.5, "plugin": ["a", "0.1.0"], "flip_ms": 0.5,
        "staging_ms": {"compile": 50.0}, "flips": 1, "shards": shards, "hooks": {"store": hook},
    });
    let route = json!({"name": "r", "received": {"epoch": 0, "counter": 2}, "active": {"epoch": 0, "counter": 1},
                       "failure": {"reason": "r", "at_unix_ms": 1}});
    json!({
        "node": "n", "labels": {"region": "eu"}, "generation": {"epoch": 0, "counter": 1}, "not_followed": "r",
        "listeners": {"resp": "127.0.0.1:1"}, "contracts": ["c"], "slots": [slot], "routes": [route], "live_generations": 1,
        "live_instances": 2, "live_bytes": 3, "figures": {"cache.hits": 1.0}, "resident_bytes": 4, "at_unix_ms": 5,
    })
}

#[test]
fn every_shape_has_the_keys_of_its_type() {
    let components = components();
    let check = |shape: &str, value: &Value| check(&components, shape, value);

    let manifest = serde_json::to_value(serde_json::from_value::<PluginManifest>(manifest()).unwrap()).unwrap();
    check("PluginManifest", &manifest);
    check("Interests", &manifest["interests"]);

    let document = serde_json::to_value(serde_json::from_value::<StrategyDocument>(document()).unwrap()).unwrap();
    check("StrategyDocument", &document);
    check("StrategySpec", &document["spec"]);
    check("LimitsSpec", &document["spec"]["limits"]);
    check("StrategyStatus", &document["status"]);
    check("FleetCounts", &document["status"]["fleet"]);
    check("Generation", &document["status"]["generation"]);

    let route = serde_json::to_value(serde_json::from_value::<RouteDocument>(route()).unwrap()).unwrap();
    check("RouteDocument", &route);
    check("RouteSpec", &route["spec"]);
    check("BackendSpec", &route["spec"]["backends"][0]);
    check("HealthSpec", &route["spec"]["health"]);
    check("TimeoutSpec", &route["spec"]["timeouts"]);
    check("RetrySpec", &route["spec"]["retry"]);
    check("RouteLimits", &route["spec"]["limits"]);
    check("RouteStatus", &route["status"]);

    let node = serde_json::to_value(serde_json::from_value::<NodeStatus>(node()).unwrap()).unwrap();
    check("NodeStatus", &node);
    let slot = &node["slots"][0];
    check("SlotStatus", slot);
    check("NodeRoute", &node["routes"][0]);
    check("RouteFailure", &node["routes"][0]["failure"]);
    check("SlotId", &slot["slot"]);
    check("SlotVersion", &slot["active"]);
    check("SlotFailure", &slot["last_failure"]);
    check("SlotStaging", &slot["staging"]);
    check("ShardFigures", &slot["shards"]);
    check("HookFigures", &slot["hooks"]["store"]);

    let StageFailure { stage, reason } = StageFailure::new(Stage::Schema, "r");
    let error = ApiError { code: ErrorCode::Refused, message: reason, stage: Some(stage), details: vec!["d".into()] };
    check("Error", &serde_json::to_value(error).unwrap());
    let listed = ListedNode::reporting(serde_json::from_value(node.clone()).unwrap());
    let listed = serde_json::to_value(listed).unwrap();
    assert_eq!((&listed["status"], &listed["node"]), (&json!("reporting"), &node["node"]));
    let page = Page { items: vec![listed], continue_token: Some("61".to_owned()), resource_version: Some(1) };
    check("Page_ListedNode", &serde_json::to_value(page).unwrap());
}

#[test]
fn the_shapes_of_reports_have_the_keys_of_their_types() {
    let components = components();
    let check = |shape: &str, value: &Value| check(&components, shape, value);
    let version = json!({"strategy": "s", "generation": {"epoch": 0, "counter": 1}, "digest": DIGEST});
    let item = json!({"sequence": 1, "item": "window", "slot": {"kind": "caching"}, "hook": "store",
                      "start_unix_ms": 1, "span_ms": 2, "calls": 3});
    let batch = json!({"node": "n", "session": "0000000000000001", "term": 1, "items": [item]});
    let batch = serde_json::to_value(serde_json::from_value::<ReportBatch>(batch).unwrap()).unwrap();
    check("ReportBatch", &batch);
    check("Dropped", &batch["dropped"]);
    let answer = ReportAnswer { acknowledged: Some(1), term: 2 };
    check("ReportAnswer", &serde_json::to_value(answer).unwrap());

    let event = json!({"node": "n", "session": "0000000000000001", "sequence": 1, "at_unix_ms": 1, "kind": "refused",
                       "slot": {"kind": "caching", "target": ""}, "route": "r", "strategy": "s",
                       "generation": {"epoch": 0, "counter": 1}, "digest": DIGEST, "stage": "link", "message": "m"});
    let event = serde_json::to_value(serde_json::from_value::<FleetEvent>(event).unwrap()).unwrap();
    check("FleetEvent", &event);
    let kinds = components["EventKind"]["enum"].as_array().unwrap();
    assert_eq!(*kinds, EventKind::ALL.map(|kind| json!(kind)));

    let report =
        json!({"slot": {"kind": "caching"}, "version": version, "hook": "store", "last_1m": {}, "last_10m": {}});
    let report = serde_json::to_value(serde_json::from_value::<HookReport>(report).unwrap()).unwrap();
    check("HookReport", &report);
    check("SpanFigures", &report["last_1m"]);
    check("FailureCounts", &report["last_1m"]["failures"]);
}

#[test]
fn every_code_and_stage_is_listed() {
    let components = components();
    let listed = |shape: &str| components[shape]["enum"].as_array().unwrap().clone();
    for code in listed("ErrorCode") {
        serde_json::from_value::<ErrorCode>(code).unwrap();
    }
    for stage in listed("Stage") {
        serde_json::from_value::<Stage>(stage).unwrap();
    }
    assert!(listed("ErrorCode").contains(&serde_json::to_value(ErrorCode::Unavailable).unwrap()));
    assert!(listed("Stage").contains(&serde_json::to_value(Stage::Drain).unwrap()));
}
