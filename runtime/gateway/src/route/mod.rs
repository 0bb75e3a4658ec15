//! Which requests a gateway takes and where they go.

mod table;

use std::sync::Arc;

use http::Method;

use switchyard_types::{
    RouteName,
    route::{RetryOn, RouteSpec},
};
pub(crate) use table::RouteTable;

use crate::{
    Recent, RouteFigures,
    backend::Backend,
    choose::Chooser,
    decide::Decider,
    figures::{Counter, Histogram, Statuses},
    window::Window,
};

/// A backend in a route.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) backend: Arc<Backend>,
    pub(crate) weight: u32,
}

/// A route in use. A change of its specification makes a new one, with the same counters and unchanged backends.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: RouteName,
    pub(crate) spec: RouteSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) chooser: Chooser,
    pub(crate) decider: Arc<Decider>,
    pub(crate) counters: Arc<RouteCounters>,
    repeatable: Vec<Method>,
    /// The number of the next backend that is new: numbers are not used twice.
    next_number: u32,
}

/// What a route has done, raised by every request.
#[derive(Debug, Default)]
pub(crate) struct RouteCounters {
    pub(crate) requests: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) statuses: Statuses,
    pub(crate) unanswered: Counter,
    pub(crate) retries: Counter,
    pub(crate) all_unhealthy: Counter,
    pub(crate) request_bytes: Counter,
    pub(crate) answer_bytes: Counter,
    pub(crate) latency: Histogram,
    recent: Window,
}

impl Route {
    /// Whether a request of this method may be carried out twice.
    pub(crate) fn may_repeat(&self, method: &Method) -> bool {
        self.repeatable.contains(method)
    }

    pub(crate) fn retries_on(&self, reason: RetryOn) -> bool {
        self.spec.retry.on.contains(&reason)
    }

    pub(crate) fn recent(&self, now_ms: u64) -> Recent {
        let [.., failed] = self.counters.statuses.get();
        self.counters.recent.look(now_ms, Recent { answered: self.counters.latency.count(), failed })
    }
}

impl RouteCounters {
    pub(crate) fn figures(&self) -> RouteFigures {
        RouteFigures {
            requests: self.requests.get(),
            in_flight: self.in_flight.get(),
            statuses: self.statuses.get(),
            unanswered: self.unanswered.get(),
            retries: self.retries.get(),
            all_unhealthy: self.all_unhealthy.get(),
            request_bytes: self.request_bytes.get(),
            answer_bytes: self.answer_bytes.get(),
            latency: self.latency.latency(),
        }
    }
}
