//! What a decision of each kind beside caching costs through its slot, in CPU time of the calling thread.
//!
//! `cargo bench --workspace --bench kinds`; needs the components of `cargo xtask plugins`.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench")]

mod support;

use std::{
    hint::black_box,
    sync::{Arc, Weak},
};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use support::{CpuTime, host, strategy};
use switchyard_host::{
    Upkeep,
    alerting::{Alert, AlertTable, AlertingSlot, Columns},
    routing::{Backend, Candidate, Method, Outcome, OutcomeKind, Request, RouteTable, RoutingSlot},
    scheduling::{Event, QueueTable, QueueView, Resident, SchedulingSlot, Task},
    scoring::{Column, ScoreTable, ScoringSlot, Table, Values},
};

const BACKENDS: u32 = 10;
const RULES: usize = 1_000;
const SERIES: u64 = 1_000;

/// An engine that has nothing to say but an outcome for each pick.
struct Engine;

impl RouteTable for Engine {
    fn now_ms(&self) -> u64 {
        0
    }
    fn backends(&self, into: &mut Vec<Backend>) {
        into.extend((0..BACKENDS).map(|backend| Backend { backend, weight: 1, healthy: true }));
    }
    fn drain(&self, _: usize, _: usize, into: &mut Vec<Outcome>) {
        if into.is_empty() {
            into.push(Outcome { backend: 3, kind: OutcomeKind::Answered, latency_us: 700 });
        }
    }
    fn residents(&self, _: &mut Vec<switchyard_host::routing::Resident>) {}
    fn load(&self, _: usize) -> switchyard_host::routing::Load {
        Default::default()
    }
}

impl QueueTable for Engine {
    fn now_ms(&self) -> u64 {
        0
    }
    fn drain(&self, _: usize, _: usize, _: &mut Vec<Event>) {}
    fn residents(&self, _: usize, _: Option<usize>, _: &mut Vec<Resident>) -> Option<usize> {
        None
    }
    fn load(&self, _: usize) -> switchyard_host::scheduling::Load {
        Default::default()
    }
    fn took_over(&self, _: usize) {}
    fn unranked(&self, _: usize, _: usize, _: &mut Vec<Task>) {}
    fn ranked(&self, _: usize, _: usize, _: &mut Vec<Task>) {}
    fn rerank(&self, _: usize, _: &[Task], _: &[f64]) {}
}

impl AlertTable for Engine {
    fn now_ms(&self) -> u64 {
        0
    }
    fn residents(&self, _: usize, _: &mut Vec<Alert>) {}
    fn load(&self, _: usize) -> switchyard_host::alerting::Load {
        Default::default()
    }
}

impl ScoreTable for Engine {
    fn now_ms(&self) -> u64 {
        0
    }
    fn residents(&self, _: &mut Vec<switchyard_host::scoring::Resident>) {}
    fn load(&self) -> switchyard_host::scoring::Load {
        Default::default()
    }
}

fn pick(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("pick (10 candidates, 1 outcome where wanted)");
    let host = host();
    let request = Request { path_id: 7, client: 9, affinity: None, method: Method::Get, path: None };
    let candidates: Vec<_> = (0..BACKENDS).map(|backend| Candidate { backend, in_flight: backend % 4 }).collect();
    for name in ["routing-round-robin", "routing-power-of-two", "routing-least-connections", "routing-least-latency"] {
        let engine = Arc::new(Engine);
        let weak: Weak<Engine> = Arc::downgrade(&engine);
        let slot = RoutingSlot::new(&host, weak, 1, Upkeep::Caller);
        slot.swap(&strategy(&host, name, &json!({})), 1).expect("a swap");
        group.bench_function(name, |b| b.iter(|| slot.pick(0, 1, &request, &candidates, |choice| choice.is_some())));
    }
}

fn submit(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("submit");
    let host = host();
    let mut task = Task {
        id: 1,
        priority: 5,
        tenant: 0,
        width: 1,
        estimate_ms: Some(100),
        deadline_ms: None,
        attempt: 0,
        accepted_ms: 1,
    };
    for name in ["scheduling-fifo", "scheduling-priority", "scheduling-sjf"] {
        let engine = Arc::new(Engine);
        let weak: Weak<Engine> = Arc::downgrade(&engine);
        let slot = SchedulingSlot::new(&host, weak, 1, Upkeep::Caller);
        slot.swap(&strategy(&host, name, &json!({})), 1).expect("a swap");
        group.bench_function(name, |b| {
            b.iter(|| {
                task.id += 1;
                slot.submit(0, task.id, &task, QueueView::default(), |verdict| verdict.is_some())
            });
        });
    }
}

/// Rules of which all look at every series.
fn rules() -> Value {
    let rule = |place: usize| {
        json!({
            "name": format!("rule-{place}"), "metric": "queue.length",
            "normal": 50.0 + place as f64, "warning": 100.0 + place as f64, "critical": 2000.0 + place as f64,
        })
    };
    json!({ "rules": (0..RULES).map(rule).collect::<Vec<_>>() })
}

fn series(value: f64) -> Columns {
    let mut columns = Columns::default();
    let name = columns.texts.push("queue.length").expect("there is room");
    for number in 0..SERIES {
        columns.series.push(number);
        columns.name.push(name);
        columns.labels.push(columns.texts.push(&format!("queue=\"{number}\"")).expect("there is room"));
        columns.value.push(value);
    }
    columns
}

fn evaluate(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("evaluate (1,000 rules on each of 1,000 series)");
    group.sample_size(20);
    let host = host();
    let engine = Arc::new(Engine);
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = AlertingSlot::new(&host, weak, 1, Upkeep::Caller);
    slot.swap(&strategy(&host, "alerting-threshold", &rules()), 1).expect("a swap");
    for (what, value) in [("all normal", 1.0), ("one rule in a thousand is broken everywhere", 100.5)] {
        let columns = series(value);
        group.bench_function(what, |b| {
            b.iter(|| slot.evaluate(0, 1, &columns, true, |verdicts| black_box(verdicts.map(<[_]>::len))));
        });
    }
}

fn score(criterion: &mut Criterion<CpuTime>) {
    let host = host();
    let engine = Arc::new(Engine);
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = ScoringSlot::new(&host, weak, Upkeep::Caller);
    slot.swap(&strategy(&host, "scoring-weighted", &json!({})), 1).expect("a swap");
    let measure = |name: &str, value| Column { name: name.to_owned(), values: Values::F64s(vec![value]) };
    let columns = vec![measure("response_seconds", 0.3), measure("error_ratio", 0.01), measure("cpu_utilization", 0.8)];
    let tables = [Table { name: "service".to_owned(), columns }];
    criterion.bench_function("score (one table of three measures)", |b| {
        b.iter(|| slot.score(1, &tables, |scores| black_box(scores.map(<[_]>::len))));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = pick, submit, evaluate, score
}
criterion_main!(benches);
