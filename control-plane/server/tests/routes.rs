//! The way of a route: what it shares with a strategy is tested there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Answer, PluginText, Rig, strategy};

fn route(name: &str, spec: Value) -> Value {
    let mut full = json!({"backends": [{"name": "a", "address": "127.0.0.1:8081"}]});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"kind": "Route", "name": name, "spec": full})
}

async fn put(rig: &Rig, document: &Value) -> Answer {
    rig.json(Method::PUT, &format!("/v1/routes/{}", document["name"].as_str().unwrap()), document).await
}

fn counter(document: &Value) -> u64 {
    document["status"]["generation"]["counter"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_created_replaced_listed_and_deleted() {
    let rig = Rig::new().await;
    let created = rig.json(Method::POST, "/v1/routes", &route("shop", json!({}))).await;
    assert_eq!(counter(created.is(201)), 1);
    assert_eq!(created.body["spec"]["timeouts"]["connect_ms"], 2_000, "defaults are spelt out");
    rig.json(Method::POST, "/v1/routes", &route("shop", json!({}))).await.is_error(
        409,
        "conflict",
        "there is a route shop: replace it with PUT /v1/routes/shop",
    );
    assert_eq!(put(&rig, &created.body).await.is(200), &created.body, "the same changes nothing");
    let other = put(&rig, &route("admin", json!({"path_prefix": "/admin"}))).await;
    assert_eq!(counter(other.is(201)), 2);
    let dry = rig.json(Method::PUT, "/v1/routes/new?dryRun=true", &route("new", json!({"hosts": ["a"]}))).await;
    assert_eq!((counter(dry.is(201)), dry.body.get("resourceVersion")), (3, None));
    let page = rig.get("/v1/routes?limit=1").await;
    assert_eq!(page.is(200)["items"][0], other.body);
    let rest = format!("/v1/routes?limit=1&continue={}", page.body["continue"].as_str().unwrap());
    let rest = rig.get(&rest).await;
    assert_eq!((&rest.is(200)["items"], rest.body.get("continue")), (&json!([created.body]), None));
    let changed = route("shop", json!({"retry": {"attempts": 1}}));
    assert_eq!(counter(put(&rig, &changed).await.is(200)), 3);
    put(&rig, &created.body).await.is_error(409, "conflict", "the route shop has changed since it was read");
    rig.delete("/v1/routes/shop").await.is(200);
    rig.get("/v1/routes/shop").await.is_error(
        404,
        "not-found",
        "there is no route shop: list them with GET /v1/routes",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_strategies_have_one_row_of_generations() {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    assert_eq!(counter(put(&rig, &route("shop", json!({}))).await.is(201)), 1);
    assert_eq!(counter(rig.put(&strategy("shop", "plain@0.1.0")).await.is(201)), 2);
    rig.delete("/v1/routes/shop").await.is(200);
    assert_eq!(counter(put(&rig, &route("shop", json!({}))).await.is(201)), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_answer() {
    let rig = Rig::new().await;
    let before = rig.state().await;
    let cases = [
        (json!({"backends": []}), "spec.backends is 0: it takes 1 to 256"),
        (json!({"backends": [{"name": "a", "address": "h"}]}), "spec.backends[0].address is \"h\": it takes host:port"),
        (json!({"retry": {"attempts": 3}}), "spec.retry.attempts is 3: it takes 0 to 2"),
        (json!({"hosts": ["a:80"]}), "spec.hosts[0] is \"a:80\": it takes a host without port"),
        (json!({"timeouts": {"connect_ms": "2s"}}), "spec.timeouts.connect_ms: invalid type: string \"2s\""),
        (json!({"retrys": {}}), "spec.retrys: unknown field `retrys`"),
        (
            json!({"selector": (0..65).map(|n| (n.to_string(), "x")).collect::<std::collections::BTreeMap<_, _>>()}),
            "64",
        ),
    ];
    for (spec, expected) in cases {
        put(&rig, &route("shop", spec)).await.is_error(400, "invalid-request", expected);
    }
    let mut other = route("shop", json!({}));
    other["kind"] = json!("Strategy");
    put(&rig, &other).await.is_error(400, "invalid-request", "expected \"Route\"");
    other["name"] = json!("No Name");
    rig.json(Method::POST, "/v1/routes", &other).await.is_error(400, "invalid-request", "route name");
    assert_eq!(rig.state().await, before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_routes_do_not_take_the_same_requests() {
    let rig = Rig::new().await;
    put(&rig, &route("shop", json!({"hosts": ["shop.example.com"]}))).await.is(201);
    let same = |selector: Value| route("other", json!({"hosts": ["a", "SHOP.example.com"], "selector": selector}));
    let refused = put(&rig, &same(json!({}))).await;
    refused.is_error(409, "conflict", "other and shop both take shop.example.com /, and a node may match both");
    let eu = json!({"region": "eu"});
    put(&rig, &route("shop", json!({"hosts": ["shop.example.com"], "selector": {"region": "us"}}))).await.is(200);
    put(&rig, &same(eu)).await.is(201);
    put(&rig, &route("deeper", json!({"hosts": ["a"], "path_prefix": "/x"}))).await.is(201);
}
