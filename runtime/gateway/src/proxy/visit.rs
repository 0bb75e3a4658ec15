use std::sync::Arc;

use super::upload::Upload;
use crate::{
    client::{Busy, Peer},
    route::Route,
};

/// A request on its route, counted in flight until the body of its answer has ended.
#[derive(Debug)]
pub(crate) struct Visit {
    route: Option<Arc<Route>>,
    upload: Option<Arc<Upload>>,
    busy: Busy,
}

impl Visit {
    pub(crate) fn new(route: Arc<Route>, upload: Option<Arc<Upload>>, busy: Busy) -> Self {
        route.counters.requests.one();
        route.counters.in_flight.one();
        Self { route: Some(route), upload, busy }
    }

    /// One that no route takes.
    pub(crate) fn nowhere(busy: Busy) -> Self {
        Self { route: None, upload: None, busy }
    }

    /// The client whose request it is.
    pub(crate) fn peer(&self) -> Arc<Peer> {
        self.busy.peer().clone()
    }

    /// From now on the client may take of the answer: it is its turn until [`waits`](Self::waits).
    pub(crate) fn offers(&mut self) {
        self.busy.offers();
    }

    /// The client has taken everything that there is so far.
    pub(crate) fn waits(&mut self) {
        self.busy.waits();
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.busy.offers();
        if let Some(route) = &self.route {
            route.counters.answer_bytes.add(bytes as u64);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(route) = &self.route {
            route.counters.in_flight.less();
            route.counters.request_bytes.add(self.upload.as_ref().map_or(0, |upload| upload.bytes()));
        }
    }
}
