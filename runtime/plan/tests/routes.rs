//! Routes in a plan: who gets which, and which two cannot be together.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by where it stops")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchyard_plan::{DesiredState, NodeView, route_conflict};
use switchyard_types::{Generation, RouteDocument, StrategyDocument};

const GENERATION: Generation = Generation { epoch: 1, counter: 9 };

/// The plan of a node with these labels.
fn plan(
    generation: Generation,
    strategies: &[StrategyDocument],
    routes: &[RouteDocument],
    labels: &BTreeMap<String, String>,
) -> DesiredState {
    let id = "node-1".parse().unwrap();
    switchyard_plan::plan(generation, strategies, routes, &NodeView { id: &id, labels })
}

/// An accepted route of this name with these keys beside its backends.
fn document(name: &str, spec: Value) -> RouteDocument {
    let mut full = json!({"backends": [{"name": "a", "address": "127.0.0.1:80"}]});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let status = json!({"generation": {"epoch": 1, "counter": 4}});
    serde_json::from_value(json!({"kind": "Route", "name": name, "spec": full, "status": status})).unwrap()
}

fn check_plan(node: &[(&str, &str)], routes: &[RouteDocument], expected: &[&str]) {
    let labels: BTreeMap<String, String> = node.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let desired = plan(GENERATION, &[], routes, &labels);
    let names: Vec<_> = desired.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, expected, "node {node:?}");
    let backwards: Vec<_> = routes.iter().rev().cloned().collect();
    assert_eq!(plan(GENERATION, &[], &backwards, &labels), desired);
}

#[test]
fn a_node_has_the_routes_that_its_labels_select() {
    let mut routes = vec![
        document("shop", json!({"path_prefix": "/shop"})),
        document("europe", json!({"selector": {"region": "eu"}})),
        document("america", json!({"selector": {"region": "us"}})),
        document("new", json!({"path_prefix": "/new"})),
    ];
    check_plan(&[("region", "eu")], &routes, &["europe", "new", "shop"]);
    check_plan(&[("region", "us"), ("disk", "ssd")], &routes, &["america", "new", "shop"]);
    check_plan(&[], &routes, &["new", "shop"]);
    routes.last_mut().unwrap().status = None;
    check_plan(&[], &routes, &["shop"]);
    // Nobody can declare this: the smaller name stays, and the others do not suffer.
    routes.push(document("twin", json!({"path_prefix": "/shop"})));
    check_plan(&[], &routes, &["shop"]);
}

#[test]
fn a_route_stands_in_the_plan_as_it_was_declared() {
    let routes = [document("shop", json!({"path_prefix": "/shop", "retry": {"attempts": 1}}))];
    let desired = plan(GENERATION, &[], &routes, &BTreeMap::new()).routes.remove(0);
    assert_eq!((desired.generation.counter, &desired.spec), (4, &routes[0].spec));
    assert_eq!((desired.declared().name, desired.declared().spec), (routes[0].name.clone(), routes[0].spec.clone()));
}

#[test]
fn what_an_older_version_wrote_has_no_routes() {
    let text = json!({"generation": {"epoch": 1, "counter": 9}, "slots": []});
    let state: DesiredState = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(state.routes, []);
    assert_eq!(serde_json::to_value(&state).unwrap(), text, "and none are written the same way");
}

#[test]
fn two_routes_for_one_request_exclude_each_other() {
    let check = |candidate: Value, other: Value, expected: Option<&str>| {
        let conflict = route_conflict(&document("new", candidate.clone()), &[document("old", other.clone())]);
        let told = conflict.map(|conflict| format!("{}: {}", conflict.with, conflict.claim));
        assert_eq!(told.as_deref(), expected, "{candidate} {other}");
    };
    check(json!({}), json!({}), Some("old: any host /"));
    check(json!({}), json!({"path_prefix": "/shop"}), None);
    check(json!({}), json!({"hosts": ["a.example.com"]}), None);
    check(json!({"hosts": ["b", "A"]}), json!({"hosts": ["a", "c"]}), Some("old: a /"));
    check(json!({"hosts": ["*.a"]}), json!({"hosts": ["b.a"]}), None);
    let (eu, us) = (json!({"selector": {"region": "eu"}}), json!({"selector": {"region": "us"}}));
    check(eu.clone(), us, None);
    check(eu.clone(), json!({}), Some("old: any host /"));
    check(eu.clone(), eu, Some("old: any host /"));
    let others = [document("b", json!({})), document("new", json!({})), document("a", json!({}))];
    assert_eq!(route_conflict(&document("new", json!({})), &others).unwrap().with.as_str(), "a");
    assert_eq!(route_conflict(&document("new", json!({})), &others[1..2]), None);
}
