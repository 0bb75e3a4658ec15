use std::sync::Arc;

use switchyard_types::Figure;

use crate::route::{Route, RouteCounters};

/// What all routes together have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    requests: u64,
    in_flight: u64,
    failed: u64,
    unanswered: u64,
    retries: u64,
    all_unhealthy: u64,
    request_bytes: u64,
    answer_bytes: u64,
}

impl Totals {
    fn of(counters: &RouteCounters) -> Self {
        let [.., failed] = counters.statuses.get();
        Self {
            requests: counters.requests.get(),
            in_flight: counters.in_flight.get(),
            failed,
            unanswered: counters.unanswered.get(),
            retries: counters.retries.get(),
            all_unhealthy: counters.all_unhealthy.get(),
            request_bytes: counters.request_bytes.get(),
            answer_bytes: counters.answer_bytes.get(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            in_flight: self.in_flight + other.in_flight,
            failed: self.failed + other.failed,
            unanswered: self.unanswered + other.unanswered,
            retries: self.retries + other.retries,
            all_unhealthy: self.all_unhealthy + other.all_unhealthy,
            request_bytes: self.request_bytes + other.request_bytes,
            answer_bytes: self.answer_bytes + other.answer_bytes,
        }
    }

    pub(crate) fn list(self) -> [Figure; 8] {
        let counter = |name, unit, text, count: u64| Figure::counter(name, unit, text, count as f64);
        [
            Figure::gauge("gateway.in_flight", "{request}", "Requests that have not ended", self.in_flight as f64),
            counter("gateway.requests", "{request}", "Requests that routes took", self.requests),
            counter("gateway.failed", "{request}", "Answers with a status from 500, whoever gave them", self.failed),
            counter("gateway.unanswered", "{request}", "Requests that no backend answered", self.unanswered),
            counter("gateway.retries", "{try}", "Tries after the first", self.retries),
            counter("gateway.all_unhealthy", "{request}", "Requests met by no healthy backend", self.all_unhealthy),
            counter("gateway.request_bytes", "By", "Bodies of requests", self.request_bytes),
            counter("gateway.answer_bytes", "By", "Bodies of answers", self.answer_bytes),
        ]
    }
}

/// What routes have done that are gone, so that no total falls when one goes.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// Of those whose last request has ended.
    ended: Totals,
    /// Of those that may still have requests.
    ending: Vec<Arc<RouteCounters>>,
}

impl Departed {
    pub(crate) fn add(&mut self, route: &Route) {
        self.ending.push(Arc::clone(&route.counters));
    }

    /// Together with the routes that there are.
    pub(crate) fn totals(&mut self, routes: &[Arc<Route>]) -> Totals {
        let Self { ended, ending } = self;
        ending.retain_mut(|counters| {
            // Nobody else has it: no request and no set of routes. So it stays as it is.
            let last = Arc::get_mut(counters).map(|counters| Totals::of(counters));
            *ended = ended.plus(last.unwrap_or_default());
            last.is_none()
        });
        let rest = ending.iter().chain(routes.iter().map(|route| &route.counters));
        rest.fold(*ended, |totals, counters| totals.plus(Totals::of(counters)))
    }
}
