//! Requests that go well: what a backend gets, and what a client gets back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use support::{Serving, backend::Backend, route};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_backends_answer_in_turn() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    let mut client = serving.client().await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let answer = client.get("/echo").await;
        assert_eq!(answer.status, 200);
        seen.push(answer.header("x-backend").to_owned());
    }
    assert_eq!(seen, ["a", "b", "a", "b", "a", "b"]);
    for name in ["a", "b"] {
        let figures = serving.backend(name).figures;
        assert_eq!((figures.requests, figures.connections_opened), (3, 1), "connections are used again");
        assert_eq!(figures.statuses, [0, 3, 0, 0, 0]);
    }
    serving.stopped().await;
}
