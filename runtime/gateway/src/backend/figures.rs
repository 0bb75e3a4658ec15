use super::Backend;
use crate::{
    BackendFigures,
    figures::{Counter, Histogram, Statuses},
};

/// What a backend has done, raised by every request.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) statuses: Statuses,
    pub(crate) connect_errors: Counter,
    pub(crate) exhausted: Counter,
    pub(crate) full: Counter,
    pub(crate) lost: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) connections_opened: Counter,
    pub(crate) checks: Counter,
    pub(crate) checks_failed: Counter,
    pub(crate) ejections: Counter,
    pub(crate) latency: Histogram,
}

impl Backend {
    pub(crate) fn figures(&self) -> BackendFigures {
        let counters = &self.counters;
        BackendFigures {
            requests: counters.requests.get(),
            in_flight: counters.in_flight.get(),
            statuses: counters.statuses.get(),
            connect_errors: counters.connect_errors.get(),
            exhausted: counters.exhausted.get(),
            full: counters.full.get(),
            lost: counters.lost.get(),
            timeouts: counters.timeouts.get(),
            connections_opened: counters.connections_opened.get(),
            connections_idle: self.pool.len() as u64,
            checks: counters.checks.get(),
            checks_failed: counters.checks_failed.get(),
            ejections: counters.ejections.get(),
            latency: counters.latency.latency(),
        }
    }
}
