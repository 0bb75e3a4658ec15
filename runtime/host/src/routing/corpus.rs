//! The self-test of routing: a fixed corpus, seeded and the same everywhere, on throw-away instances.

use super::{
    Backend, CANDIDATES_MAX, Candidate, Choice, Load, Method, Outcome, OutcomeKind, Request, Resident, Routing,
};
use crate::{
    HostError, Strategy,
    corpus::{Random, State, call, nondeterministic},
    description::BATCH_MAX,
    instance::Instance,
    kind::Kind,
};

type Plugin = Instance<<Routing as Kind>::Calls>;

/// Requests of the main part.
const REQUESTS: u64 = 10_000;
/// Requests after an import, decided by two instances alike.
const REQUESTS_AFTER_IMPORT: u64 = 500;
/// Backends of the test's route.
const BACKENDS: u32 = 8;
/// Requests that are in flight at once.
const IN_FLIGHT_MAX: usize = 24;

/// Puts a strategy through the corpus.
pub(crate) fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
    boundaries(&mut fresh(strategy, seed, &[])?)?;
    let mut route = Route::new();
    let mut twins = [fresh(strategy, seed, &route.backends())?, fresh(strategy, seed, &route.backends())?];
    run(&mut twins, &mut route, REQUESTS)?;
    take_over(strategy, seed, &mut twins[0], route)
}

fn fresh(strategy: &Strategy, seed: u64, backends: &[Backend]) -> Result<Plugin, HostError> {
    let mut instance = strategy.instance::<Routing>(seed)?;
    call("backends", instance.backends(0, backends))?;
    call("adopt", instance.adopt(0, &[], true))?;
    Ok(instance)
}

fn request(client: u64) -> Request {
    Request { path_id: client % 7, client, affinity: None, method: Method::Get, path: None }
}

/// Values at the ends of their ranges.
fn boundaries(instance: &mut Plugin) -> Result<(), HostError> {
    call("observe", instance.observe(0, &[]))?;
    for extreme in [0, 1, u32::MAX] {
        for kind in [OutcomeKind::Answered, OutcomeKind::Failed, OutcomeKind::Unreachable] {
            let outcome = Outcome { backend: extreme, kind, latency_us: extreme };
            call("observe", instance.observe(u64::from(extreme), &[outcome]))?;
        }
        let request = Request {
            affinity: Some(u64::from(extreme)),
            method: Method::Other,
            path: Some("/\u{fffd}".repeat(100)),
            ..request(u64::MAX)
        };
        let lone = Candidate { backend: extreme, in_flight: extreme };
        call("pick", instance.pick(u64::from(extreme), &request, &[lone], &[]))?;
        let backend = Backend { backend: extreme, weight: extreme, healthy: extreme == 0 };
        call("backends", instance.backends(u64::MAX, &[backend]))?;
    }
    let all: Vec<_> = (0..CANDIDATES_MAX as u32).map(|backend| Candidate { backend, in_flight: 0 }).collect();
    call("pick", instance.pick(u64::MAX, &request(0), &all, &[]))?;
    call("tick", instance.tick(u64::MAX, Load::default()))
}

/// The same calls in the same order must give the same decisions.
fn run(twins: &mut [Plugin; 2], route: &mut Route, requests: u64) -> Result<(), HostError> {
    for client in 0..requests {
        route.pass();
        let (request, candidates) = (request(client), route.candidates());
        let [one, other] = twins.each_mut().map(|twin| twin.pick(route.now_ms, &request, &candidates, &route.backlog));
        let choice = call("pick", one)?;
        if choice != call("pick", other)? {
            return Err(nondeterministic());
        }
        route.send(&choice);
    }
    Ok(())
}

/// Two successors that take over the same state and the same route go on alike.
fn take_over(strategy: &Strategy, seed: u64, old: &mut Plugin, mut route: Route) -> Result<(), HostError> {
    let state = State::exported(strategy, old)?;
    let successor = || -> Result<Plugin, HostError> {
        let mut instance = strategy.instance::<Routing>(seed)?;
        call("backends", instance.backends(route.now_ms, &route.backends()))?;
        state.import(&mut instance)?;
        call("adopt", instance.adopt(route.now_ms, &route.residents(), true))?;
        Ok(instance)
    };
    let mut twins = [successor()?, successor()?];
    run(&mut twins, &mut route, REQUESTS_AFTER_IMPORT)
}

/// A route as an engine keeps it, as plain as can be.
struct Route {
    in_flight: Vec<u32>,
    backlog: Vec<Outcome>,
    now_ms: u64,
    random: Random,
}

impl Route {
    fn new() -> Self {
        Self { in_flight: Vec::new(), backlog: Vec::new(), now_ms: 0, random: Random::new() }
    }

    fn backends(&self) -> Vec<Backend> {
        (0..BACKENDS).map(|backend| Backend { backend, weight: 1 + backend % 2, healthy: true }).collect()
    }

    fn count(&self, backend: u32) -> u32 {
        self.in_flight.iter().filter(|other| **other == backend).count() as u32
    }

    /// Time passes, and requests end: one in twenty badly.
    fn pass(&mut self) {
        self.backlog.clear();
        self.now_ms += self.random.draw() % 5;
        while self.in_flight.len() > IN_FLIGHT_MAX {
            let random = self.random.draw();
            let backend = self.in_flight.swap_remove(random as usize % self.in_flight.len());
            let kind = if random >> 32 & 0xff < 13 { OutcomeKind::Failed } else { OutcomeKind::Answered };
            if self.backlog.len() < BATCH_MAX as usize {
                self.backlog.push(Outcome { backend, kind, latency_us: (random >> 40) as u32 % 100_000 });
            }
        }
    }

    /// One of the backends is left out now and then, as if it were tried or not healthy.
    fn candidates(&mut self) -> Vec<Candidate> {
        let out = self.random.draw() as u32 % (BACKENDS * 2);
        (0..BACKENDS)
            .filter(|backend| *backend != out)
            .map(|backend| Candidate { backend, in_flight: self.count(backend) })
            .collect()
    }

    fn send(&mut self, choice: &Choice) {
        if let Choice::Order(order) = choice {
            self.in_flight.extend(order.first());
        }
    }

    fn residents(&self) -> Vec<Resident> {
        (0..BACKENDS)
            .map(|backend| Resident { backend, in_flight: self.count(backend), latency_us: 1_000 * backend })
            .collect()
    }
}
