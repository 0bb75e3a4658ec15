//! Strategies that nobody would write on purpose, in a gateway that serves: what they may say, and what becomes of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../host/tests/support/mod.rs"]
mod fixtures;
mod support;

use serde_json::json;
use support::{
    Serving,
    backend::Backend,
    host, nobody,
    raw::{Answer, Client},
    route, wait_until,
};
use switchyard_host::{Strategy, StrategySlot, SwapReport};
use switchyard_types::{Limits, route::RouteSpec};

/// The client's number is a hash on a node, and small or the largest in a self-test.
const LIVE: &str = "(i64.lt_u (i64.sub (local.get 2) (i64.const 1000000)) (i64.const -2000000))";
/// The answer is a refusal with the status on top of the stack.
const REFUSE: &str = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store16 (i32.const 1028)";

/// A strategy that names the first candidate in its self-test, and does this on a node.
fn doing(what: &str) -> Strategy {
    let fixture = format!(";; begin call\n(if {LIVE} (then {what}))\n;; end call\n");
    let component = fixtures::encode_kind("routing", &fixtures::of_kind("routing", &fixture));
    host().load(&component).unwrap().strategy(&json!({}), Limits::DEFAULT).unwrap()
}

async fn swap(serving: &Serving, strategy: Strategy) -> SwapReport {
    let whole = serving.gateway.whole();
    tokio::task::spawn_blocking(move || whole.swap(&strategy, 1)).await.unwrap().unwrap()
}

/// An answer to a request that the strategy has decided: where its shard was busy the fallback did.
async fn decided(serving: &Serving, client: &mut Client, request: &str) -> Answer {
    let fallbacks = || serving.gateway.whole().figures().hooks["pick"].fallbacks;
    loop {
        let before = fallbacks();
        let answer = client.call(request).await;
        if fallbacks() == before {
            return answer;
        }
    }
}

const GET: &str = "GET /echo HTTP/1.1\r\nhost: t\r\n\r\n";

async fn two(change: impl FnOnce(&mut RouteSpec)) -> (Backend, Backend, Serving) {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let mut spec = route(&[("a", a.address), ("b", b.address)]);
    change(&mut spec);
    (a, b, Serving::start(vec![spec]).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_that_fails_costs_no_request() {
    for fault in ["unreachable", "(loop $again (br $again))"] {
        let (_a, _b, serving) = two(|_| ()).await;
        swap(&serving, doing(fault)).await;
        let whole = serving.gateway.whole();
        let mut client = serving.client().await;
        let mut answered = 0_u64;
        // Every failure costs an instance, and a few in a row the strategy its slot.
        while !whole.figures().quarantined {
            assert_eq!(client.get("/echo").await.status, 200, "{fault}");
            answered += 1;
            assert!(answered < 10_000, "{fault}: it is never quarantined");
        }
        assert_eq!(client.get("/echo").await.status, 200);
        let pick = &whole.figures().hooks["pick"];
        assert!(pick.traps + pick.budget_exceeded > 0 && pick.fallbacks > 0, "{fault}: {pick:?}");
        let good = doing("nop");
        let report = swap(&serving, good).await;
        let shards = u64::from(whole.figures().shards.shards);
        assert_eq!((report.adopted, whole.figures().quarantined), (2 * shards, false), "{fault}");
        for _ in 0..10 {
            let answer = decided(&serving, &mut client, GET).await;
            assert_eq!(answer.header("x-backend"), "a", "{fault}: the good one decides");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_the_answer() {
    let (a, b, serving) = two(|_| ()).await;
    swap(&serving, doing(&format!("{REFUSE} (i32.const 429))"))).await;
    let answer = decided(&serving, &mut serving.client().await, GET).await;
    assert_eq!((answer.status, answer.text().contains("strategy refuses")), (429, true), "{}", answer.text());
    let by_fallback = serving.gateway.whole().figures().hooks["pick"].fallbacks;
    assert_eq!(a.requests() + b.requests(), by_fallback);
    assert_eq!(serving.route("all").figures.unanswered, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_order_what_is_known_counts() {
    let (_a, _b, serving) = two(|_| ()).await;
    // Nobody, the second, and the second again.
    let order = "(i32.store (i32.const 1032) (i32.const 3)) (i32.store (i32.const 1056) (i32.const 999999))
                 (i32.store (i32.const 1060) (i32.const 1)) (i32.store (i32.const 1064) (i32.const 1))";
    swap(&serving, doing(order)).await;
    let mut client = serving.client().await;
    for _ in 0..5 {
        assert_eq!(decided(&serving, &mut client, GET).await.header("x-backend"), "b");
    }
    assert!(serving.gateway.whole().figures().shards.corrected >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_may_keep_an_affinity_on_one_backend() {
    let (_a, _b, serving) = two(|spec| spec.affinity_header = Some("x-session".to_owned())).await;
    // The candidate at the affinity's last bit; without an affinity it is refused.
    let by_bit = "(i32.add (local.get 9) (i32.shl (i32.wrap_i64 (i64.and (local.get 4) (i64.const 1))) (i32.const 3)))";
    let keep = format!(
        "(if (local.get 3) (then (i32.store (i32.const 1056) (i32.load {by_bit}))) (else {REFUSE} (i32.const 428))))"
    );
    swap(&serving, doing(&keep)).await;
    let mut client = serving.client().await;
    assert_eq!(decided(&serving, &mut client, GET).await.status, 428);
    let mut seen = std::collections::BTreeSet::new();
    for session in 0..16 {
        let request = format!("GET /echo HTTP/1.1\r\nhost: t\r\nx-session: {session}\r\n\r\n");
        let first = decided(&serving, &mut client, &request).await.header("x-backend").to_owned();
        for _ in 0..3 {
            assert_eq!(decided(&serving, &mut client, &request).await.header("x-backend"), first);
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2, "all sessions are on one backend");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_sees_the_healthy_ones_or_all() {
    let a = Backend::start("a").await;
    let spec = |a| {
        let mut spec = route(&[("a", a), ("gone", "127.0.0.1:1".parse().unwrap())]);
        (spec.health.interval_ms, spec.health.unhealthy_after) = (10, 1);
        spec
    };
    let serving = Serving::start(vec![spec(a.address)]).await;
    // The status says how many candidates there are.
    swap(&serving, doing(&format!("{REFUSE} (i32.add (i32.const 400) (local.get 10)))"))).await;
    wait_until("one is out", || !serving.backend("gone").healthy).await;
    let mut client = serving.client().await;
    assert_eq!(decided(&serving, &mut client, GET).await.status, 401);
    serving.gateway.set_routes(support::named(vec![spec(nobody().await)])).unwrap();
    wait_until("both are out", || !serving.backend("a").healthy && !serving.backend("gone").healthy).await;
    assert_eq!(decided(&serving, &mut client, GET).await.status, 402);
}
