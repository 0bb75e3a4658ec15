//! Recorded requests through a routing strategy: equal servers that work off their requests in the order of arrival, and a
//! request's response time in units of the mean service time.
//!
//! The servers here are a model and not the gateway: what is compared is how evenly a strategy spreads work whose size it does
//! not know. What is the same is who decides: a strategy is asked through its slot, with the requests in flight of each server.

mod requests;
mod servers;
mod table;

use std::{
    path::Path,
    sync::{Arc, Weak},
};

use serde::Serialize;
use switchyard_host::{
    Host, Strategy, Upkeep,
    routing::{Choice, Method, Request, RouteTable, RoutingSlot},
};

pub use self::requests::Requests;
use self::{servers::Servers, table::TraceRoute};
use crate::{ReplayError, replay};

/// Servers of the model.
pub const SERVERS: usize = 10;
/// Mean service time, in seconds: ten servers are 85 % busy with the requests of the Azure LLM trace.
pub const SERVICE_SECONDS: f64 = 1.537;
/// The only shard.
const SHARD: usize = 0;

/// What one strategy made of one trace, in units of the mean service time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteOutcome {
    /// The trace's file as it was named.
    pub trace: String,
    /// The strategy as it was named.
    pub strategy: String,
    /// Requests of the trace, all of them.
    pub requests: usize,
    /// Servers of the model.
    pub servers: usize,
    /// How many seeds the figures are means of.
    pub seeds: u64,
    /// Response times.
    pub response: Response,
    /// The same for each seed.
    pub by_seed: Vec<Response>,
}

/// Response times in units of the mean service time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Response {
    /// Over all requests.
    pub mean: f64,
    /// 95 % are no longer.
    pub p95: f64,
    /// 99 % are no longer.
    pub p99: f64,
}

/// Plays a trace once with each of the seeds 1 to `seeds`. `progress` is told how many are done.
pub fn run(
    host: &Host,
    requests: &Requests,
    name: &str,
    strategy: &Strategy,
    seeds: u64,
    mut progress: impl FnMut(u64),
) -> Result<RouteOutcome, ReplayError> {
    let mut by_seed = Vec::new();
    for seed in 1..=seeds {
        by_seed.push(play(host, requests, name, strategy, seed)?);
        progress(seed);
    }
    let mean = |figure: fn(&Response) -> f64| by_seed.iter().map(figure).sum::<f64>() / by_seed.len().max(1) as f64;
    let response = Response { mean: mean(|one| one.mean), p95: mean(|one| one.p95), p99: mean(|one| one.p99) };
    let (trace, requests) = (requests.path().display().to_string(), requests.len());
    Ok(RouteOutcome { trace, strategy: name.to_owned(), requests, servers: SERVERS, seeds, response, by_seed })
}

/// Reads a trace of requests: a table with the columns `TIMESTAMP,ContextTokens,GeneratedTokens`, plain or with `.gz` or `.zst`.
pub fn read(path: &Path) -> Result<Requests, ReplayError> {
    requests::read(path)
}

fn play(host: &Host, requests: &Requests, name: &str, strategy: &Strategy, seed: u64) -> Result<Response, ReplayError> {
    let table = Arc::new(TraceRoute::new(SERVERS));
    let weak: Weak<TraceRoute> = Arc::downgrade(&table);
    let slot = RoutingSlot::new(host, weak as Weak<dyn RouteTable>, 1, Upkeep::Caller);
    let failed = |source| ReplayError::Host { strategy: name.to_owned(), source };
    slot.swap(strategy, seed).map_err(failed)?;
    let mut servers = Servers::new(SERVERS);
    let mut responses = Vec::with_capacity(requests.len());
    for (number, (at, work)) in requests.iter().enumerate() {
        table.end(servers.end_until(at), slot.wants().outcomes);
        table.advance(at);
        let request = Request { path_id: 0, client: number as u64, affinity: None, method: Method::Post, path: None };
        let choice = slot.pick(SHARD, table.now_ms(), &request, &table.candidates(), |choice| choice.cloned());
        let server = match choice {
            Some(Choice::Order(order)) => order.first().copied(),
            Some(Choice::Refuse(status)) => return Err(ReplayError::Refused { strategy: name.to_owned(), status }),
            None => None,
        };
        let Some(server) = server else {
            replay::check_figures(name, &slot.figures())?;
            continue;
        };
        table.begin(server);
        responses.push(servers.serve(server, at, work * SERVICE_SECONDS) / SERVICE_SECONDS);
    }
    replay::check_figures(name, &slot.figures())?;
    Ok(summary(responses))
}

fn summary(mut responses: Vec<f64>) -> Response {
    responses.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let rank = (responses.len() as f64 * q).ceil() as usize;
        responses.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    let mean = responses.iter().sum::<f64>() / responses.len().max(1) as f64;
    Response { mean, p95: quantile(0.95), p99: quantile(0.99) }
}
