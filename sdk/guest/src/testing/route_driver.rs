use crate::routing::{Backend, Candidate, Choice, Component, Method, Outcome, OutcomeKind, Request, Resident, Routing};

/// A route around a routing strategy, with a clock of its own: nothing happens until it is told.
pub struct RouteDriver<S> {
    strategy: Component<S>,
    backends: Vec<Backend>,
    in_flight: Vec<u32>,
    backlog: Vec<Outcome>,
    now_ms: u64,
    seed: u64,
}

impl<S: Routing> RouteDriver<S> {
    /// A route with backends of these weights, numbered from 0, all healthy, and a strategy of this configuration, as JSON.
    /// The error is the strategy's.
    pub fn new(configuration: &str, weights: &[u32]) -> Result<Self, String> {
        Self::with_seed(configuration, weights, 1)
    }

    /// The same with a seed of the caller's.
    pub fn with_seed(configuration: &str, weights: &[u32], seed: u64) -> Result<Self, String> {
        let backends: Vec<_> =
            (0..).zip(weights).map(|(backend, weight)| Backend { backend, weight: *weight, healthy: true }).collect();
        let in_flight = vec![0; backends.len()];
        let strategy = Component::new();
        let mut driver = Self { strategy, backends, in_flight, backlog: Vec::new(), now_ms: 0, seed };
        driver.start(configuration, None)?;
        Ok(driver)
    }

    /// Another strategy takes over this route, as at a swap; it takes over the state too where formats match.
    pub fn swap<T: Routing>(mut self, configuration: &str) -> Result<RouteDriver<T>, String> {
        self.strategy.observe(self.now_ms, &self.backlog);
        let state = S::STATE_FORMAT.map(|format| (format, self.strategy.export_state()));
        let Self { backends, in_flight, now_ms, seed, .. } = self;
        let mut driver =
            RouteDriver { strategy: Component::new(), backends, in_flight, backlog: Vec::new(), now_ms, seed };
        driver.start(configuration, state)?;
        Ok(driver)
    }

    fn start(&mut self, configuration: &str, state: Option<(&'static str, Vec<u8>)>) -> Result<(), String> {
        self.strategy.configure(configuration, self.seed)?;
        self.strategy.backends(self.now_ms, &self.backends);
        if let Some((format, bytes)) = state.filter(|(format, _)| S::STATE_FORMAT == Some(format)) {
            self.strategy.import_state(format, &bytes)?;
        }
        let resident = |(backend, in_flight): (u32, &u32)| Resident { backend, in_flight: *in_flight, latency_us: 0 };
        let residents: Vec<_> = (0..).zip(&self.in_flight).map(resident).collect();
        self.strategy.adopt(self.now_ms, &residents, true);
        Ok(())
    }

    /// What the strategy says about a request, over all healthy backends.
    pub fn choose(&mut self) -> Choice {
        let request = Request { path_id: 0, client: 0, affinity: None, method: Method::Get, path: None };
        self.choose_for(&request)
    }

    /// The same for a request of the caller's.
    pub fn choose_for(&mut self, request: &Request) -> Choice {
        let healthy = self.backends.iter().zip(&self.in_flight).filter(|(backend, _)| backend.healthy);
        let candidate =
            |(backend, in_flight): (&Backend, &u32)| Candidate { backend: backend.backend, in_flight: *in_flight };
        let candidates: Vec<_> = healthy.map(candidate).collect();
        let choice = self.strategy.pick(self.now_ms, request, &candidates, &self.backlog);
        self.backlog.clear();
        choice
    }

    /// Sends a request to the best backend. Which one; none: it was refused.
    pub fn send(&mut self) -> Option<u32> {
        let Choice::Order(order) = self.choose() else { return None };
        let backend = *order.first()?;
        *self.in_flight.get_mut(backend as usize)? += 1;
        Some(backend)
    }

    /// A request has ended.
    pub fn end(&mut self, backend: u32, kind: OutcomeKind, latency_us: u32) {
        if let Some(in_flight) = self.in_flight.get_mut(backend as usize) {
            *in_flight = in_flight.saturating_sub(1);
        }
        if S::INTERESTS.outcomes() {
            self.backlog.push(Outcome { backend, kind, latency_us });
        }
    }

    /// A backend becomes healthy, or no longer is.
    pub fn set_healthy(&mut self, backend: u32, healthy: bool) {
        if let Some(declared) = self.backends.get_mut(backend as usize) {
            declared.healthy = healthy;
        }
        self.strategy.backends(self.now_ms, &self.backends);
    }

    /// Time passes.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
    }
}
