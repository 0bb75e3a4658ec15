//! Least connections as an Extism plugin, written as one is: functions exported by the PDK's macro, state in the module.
//!
//! What this is not: a second strategy of Switchyard's. It is the algorithm of `plugins/routing-least-connections` once more,
//! with the same maps and the same sort, so that only the way to it differs. Start reading at [`pick_json`].

#![allow(missing_docs, reason = "the PDK's macro makes functions without the sentences that stand above them")]

use std::{cell::RefCell, collections::BTreeMap};

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

/// Backends that one answer names.
const ORDER_MAX: usize = 3;
/// Bytes before the candidates of a raw question, and of one candidate.
const RAW_HEAD: usize = 34;
const RAW_CANDIDATE: usize = 8;

#[derive(Deserialize)]
struct Backend {
    backend: u32,
    weight: u32,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what the strategy may look at, whether or not this one does")]
struct Question {
    now_ms: u64,
    request: Request,
    candidates: Vec<Candidate>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "as above")]
struct Request {
    path_id: u64,
    client: u64,
    affinity: Option<u64>,
    method: Method,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Get,
    Post,
}

#[derive(Deserialize)]
struct Candidate {
    backend: u32,
    in_flight: u32,
}

#[derive(Serialize)]
struct Answer {
    order: Vec<u32>,
}

#[derive(Default)]
struct LeastConnections {
    weights: BTreeMap<u32, u32>,
    chosen: BTreeMap<u32, u64>,
    choices: u64,
}

impl LeastConnections {
    fn load(&self, candidate: &Candidate) -> u64 {
        let weight = self.weights.get(&candidate.backend).copied().unwrap_or(1).max(1);
        ((u64::from(candidate.in_flight) + 1) << 31) / u64::from(weight)
    }

    fn pick(&mut self, candidates: &[Candidate]) -> Vec<u32> {
        let last = |candidate: &Candidate| self.chosen.get(&candidate.backend).copied().unwrap_or(0);
        let mut order: Vec<_> = candidates.iter().map(|c| ((self.load(c), last(c)), c.backend)).collect();
        order.sort_by_key(|(key, _)| *key);
        if let Some((_, backend)) = order.first() {
            self.choices += 1;
            self.chosen.insert(*backend, self.choices);
        }
        order.into_iter().take(ORDER_MAX).map(|(_, backend)| backend).collect()
    }
}

thread_local! {
    static STRATEGY: RefCell<LeastConnections> = RefCell::default();
}

/// The route's backends, once after the start.
#[plugin_fn]
pub fn backends(Json(backends): Json<Vec<Backend>>) -> FnResult<()> {
    STRATEGY.with_borrow_mut(|strategy| {
        strategy.weights = backends.iter().map(|backend| (backend.backend, backend.weight)).collect();
    });
    Ok(())
}

/// The decision as most plugins would take it.
#[plugin_fn]
pub fn pick_json(Json(question): Json<Question>) -> FnResult<Json<Answer>> {
    Ok(Json(Answer { order: STRATEGY.with_borrow_mut(|strategy| strategy.pick(&question.candidates)) }))
}

/// The same without a format: the leanest way through the PDK.
#[plugin_fn]
pub fn pick_raw(question: Vec<u8>) -> FnResult<Vec<u8>> {
    let candidates = question.get(RAW_HEAD..).unwrap_or_default().chunks_exact(RAW_CANDIDATE);
    let candidates: Vec<_> = candidates.map(candidate).collect();
    let order = STRATEGY.with_borrow_mut(|strategy| strategy.pick(&candidates));
    Ok(order.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn candidate(bytes: &[u8]) -> Candidate {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).unwrap_or_default()
    };
    Candidate { backend: word(0), in_flight: word(4) }
}

/// What any call costs.
#[plugin_fn]
pub fn nothing(_: ()) -> FnResult<()> {
    Ok(())
}

/// A call that ends in a trap.
#[plugin_fn]
#[allow(clippy::panic, reason = "what it is for")]
pub fn fail(_: ()) -> FnResult<()> {
    panic!("as asked");
}
