use std::sync::Arc;

use crate::{client::Busy, route::Route};

/// A request on its route, counted in flight until the body of its answer has ended.
#[derive(Debug)]
pub(crate) struct Visit {
    route: Option<Arc<Route>>,
    _busy: Busy,
}

impl Visit {
    pub(crate) fn new(route: Option<Arc<Route>>, busy: Busy) -> Self {
        if let Some(route) = &route {
            route.counters.requests.one();
            route.counters.in_flight.one();
        }
        Self { route, _busy: busy }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        if let Some(route) = &self.route {
            route.counters.body_bytes.add(bytes as u64);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(route) = &self.route {
            route.counters.in_flight.less();
        }
    }
}
