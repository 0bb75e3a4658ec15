//! A node whose gateway is told routes: what it takes, what it keeps when one is refused, and what it remembers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::net::SocketAddr;

use common::{Fleet, Running, reported};
use serde_json::{Value, json};
use switchyard_types::NodeRoute;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A backend that answers everything with its name.
async fn backend(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n";
                    drop(stream.write_all(format!("{head}{name}").as_bytes()).await);
                }
            });
        }
    });
    address
}

/// Status and body of a GET through the node's gateway.
async fn get(node: &Running, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(node.handle.listeners()["gateway"]).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn to(backend: SocketAddr, path: &str) -> Value {
    json!({"path_prefix": path, "backends": [{"name": "one", "address": backend.to_string()}]})
}

/// Waits until this route is as it should be.
async fn until(node: &Running, name: &str, what: &str, condition: impl Fn(&NodeRoute) -> bool) -> NodeRoute {
    let find = |routes: &[NodeRoute]| routes.iter().find(|route| route.name.as_str() == name).cloned();
    let status = node.until(what, |status| find(&status.routes).is_some_and(|route| condition(&route))).await;
    find(&status.routes).unwrap()
}

fn is_active(route: &NodeRoute) -> bool {
    route.active.is_some() && route.active == route.received && route.failure.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_taken_changed_and_taken_away() {
    let mut fleet = Fleet::new();
    let (a, b) = (backend("a").await, backend("b").await);
    let node = fleet.start(fleet.upstream()).await;
    assert_eq!(get(&node, "/").await.0, 404);
    fleet.declare_route("shop", to(a, "/shop")).await;
    until(&node, "shop", "the route", is_active).await;
    assert_eq!(get(&node, "/shop").await, (200, "a".to_owned()));
    fleet.declare_route("elsewhere", json!({"selector": {"region": "us"}, "backends": to(a, "/")["backends"]})).await;
    fleet.declare_route("shop", to(b, "/shop")).await;
    until(&node, "shop", "the change", |route| route.active.is_some_and(|active| active.counter == 3)).await;
    assert_eq!(get(&node, "/shop").await, (200, "b".to_owned()));
    assert_eq!(get(&node, "/").await.0, 404, "that route is for others");
    reported(&fleet, &node, "the route", |status| status.routes.len() == 1 && is_active(&status.routes[0])).await;
    fleet.delete_route("shop").await;
    node.until("no route", |status| status.routes.is_empty()).await;
    assert_eq!(get(&node, "/shop").await.0, 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_route_keeps_no_other_from_changing() {
    let mut fleet = Fleet::new();
    let a = backend("a").await;
    let node = fleet.start(fleet.upstream()).await;
    fleet.declare_route("shop", to(a, "/shop")).await;
    until(&node, "shop", "the route", is_active).await;
    let itself = node.handle.listeners()["gateway"];
    fleet.declare_route("mirror", to(itself, "/mirror")).await;
    fleet.declare_route("late", to(a, "/late")).await;
    let refused = until(&node, "mirror", "the refusal", |route| route.failure.is_some()).await;
    let reason = refused.failure.unwrap().reason;
    let expected = format!("route mirror: backend one is {itself}, where this gateway itself listens ({itself})");
    assert_eq!((reason, refused.active), (expected, None));
    until(&node, "late", "another route", is_active).await;
    assert_eq!(get(&node, "/shop").await, (200, "a".to_owned()));
    assert_eq!(get(&node, "/late").await, (200, "a".to_owned()));
    assert_eq!(get(&node, "/mirror").await.0, 404);
    // And one that was good keeps what it was.
    let before = until(&node, "shop", "the route", is_active).await.active;
    fleet.declare_route("shop", to(itself, "/shop")).await;
    let kept = until(&node, "shop", "the refusal", |route| route.failure.is_some()).await;
    assert!(kept.active == before && kept.received > before, "{kept:?}");
    assert_eq!(get(&node, "/shop").await, (200, "a".to_owned()));
    reported(&fleet, &node, "the refusal", |status| status.routes.iter().any(|route| route.failure.is_some())).await;
    fleet.delete_route("mirror").await;
    fleet.declare_route("shop", to(a, "/shop")).await;
    until(&node, "shop", "the mended route", is_active).await;
    assert_eq!(node.status().await.routes.len(), 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_has_the_routes_and_the_strategy_that_it_had() {
    let mut fleet = Fleet::new();
    let a = backend("a").await;
    let node = fleet.start(fleet.upstream()).await;
    fleet.declare_route("shop", to(a, "/shop")).await;
    let digest = fleet.declare_plugin("balance", "routing-round-robin", json!({"kind": "routing"})).await;
    let decides = |status: &switchyard_types::NodeStatus| {
        let mut active = status.slots.iter().filter_map(|slot| slot.last_healthy.as_ref());
        active.any(|version| version.digest == digest)
    };
    node.until("the strategy is healthy", decides).await;
    until(&node, "shop", "the route", is_active).await;
    node.stop().await;
    // What was received does not matter where what was healthy is known.
    std::fs::remove_file(fleet.node_file("received.json")).unwrap();
    let node = fleet.start(None).await;
    assert_eq!(get(&node, "/shop").await, (200, "a".to_owned()));
    let status = node.status().await;
    assert!(is_active(&status.routes[0]) && decides(&status), "{status:#?}");
    let routing = status.slots.iter().find(|slot| slot.hooks.contains_key("pick")).unwrap();
    assert_eq!((routing.hooks["pick"].calls, routing.hooks["pick"].fallbacks), (1, 0));
    assert_eq!(status.figures["gateway.requests"], 1.0);
    node.stop().await;
    // And the other way round.
    std::fs::remove_file(fleet.node_file("healthy.json")).unwrap();
    assert_eq!(get(&fleet.start(None).await, "/shop").await.0, 404, "nothing is remembered");
}
