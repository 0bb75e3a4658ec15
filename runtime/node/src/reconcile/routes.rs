use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use switchyard_plan::{DesiredRoute, DesiredState};
use switchyard_types::{Generation, NodeRoute, RouteFailure, RouteName, route::DeclaredRoute};
use tokio::task::spawn_blocking;

use super::{Reconciler, reconciler::RECORD_RETRY_MS};
use crate::{backoff::Backoff, engines::Taken, shared::unix_ms};

/// The gateway's routes as the node sees them. They change together, but for those that the gateway refuses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoutesRecord {
    /// What requests follow.
    pub(crate) active: Vec<DesiredRoute>,
    /// What is remembered on disk. Routes need no trial: the gateway has them or refuses them.
    pub(crate) healthy: Vec<DesiredRoute>,
    /// The last set that was not taken as it is, until one is.
    refused: Option<RefusedRoutes>,
}

/// What of a set of routes the gateway did not take, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// Nothing.
    All(String),
    /// These; the others are active.
    Some(BTreeMap<RouteName, String>),
}

/// A set of routes that the gateway did not take as it is.
#[derive(Debug, Clone, PartialEq)]
struct RefusedRoutes {
    wanted: Vec<DesiredRoute>,
    why: Refusal,
    at_unix_ms: u64,
    /// Refusals in a row of just this.
    failures: u32,
    /// Not tried again before this, unless something else is wanted. On the node's clock.
    retry_at_ms: u64,
}

/// What is to be done about routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Give the wanted ones to the gateway.
    Apply,
    /// Put the active ones on disk.
    Remember,
}

impl RoutesRecord {
    fn step(&self, wanted: &[DesiredRoute], now_ms: u64) -> Option<Step> {
        if self.active != wanted && self.retry_at_ms(wanted).is_none_or(|at_ms| now_ms >= at_ms) {
            return Some(Step::Apply);
        }
        (self.is_taken(wanted) && self.healthy != self.active).then_some(Step::Remember)
    }

    /// Whether what is active is what the gateway has made of these. Where it has taken nothing of them, what it remembers
    /// may be better.
    fn is_taken(&self, wanted: &[DesiredRoute]) -> bool {
        let partly = |refused: &RefusedRoutes| refused.wanted == wanted && matches!(refused.why, Refusal::Some(_));
        self.active == wanted || self.refused.as_ref().is_some_and(partly)
    }

    /// When to look again although nothing has been heard; none: not before something is heard.
    pub(super) fn next_look_ms(&self, wanted: &[DesiredRoute], now_ms: u64) -> Option<u64> {
        match self.step(wanted, u64::MAX)? {
            Step::Apply => self.retry_at_ms(wanted),
            Step::Remember => Some(now_ms.saturating_add(RECORD_RETRY_MS)),
        }
    }

    /// When these are tried again; none: they were not refused.
    fn retry_at_ms(&self, wanted: &[DesiredRoute]) -> Option<u64> {
        self.refused.as_ref().filter(|refused| refused.wanted == wanted).map(|refused| refused.retry_at_ms)
    }

    /// Something else is wanted from now on: what was refused before is no matter any more.
    pub(super) fn follow(&mut self, wanted: &[DesiredRoute]) {
        self.refused.take_if(|refused| refused.wanted != wanted || self.active == wanted);
    }

    pub(crate) fn is_refused_for(&self, why: &Refusal) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.why == *why)
    }

    /// Notes that these were refused. They are tried again after a delay that grows with every refusal.
    pub(crate) fn note_refused(&mut self, wanted: Vec<DesiredRoute>, why: Refusal, now_ms: u64) {
        let before = self.refused.take().filter(|refused| refused.wanted == wanted);
        let failures = before.map_or(1, |refused| refused.failures.saturating_add(1));
        let delay_ms = u64::try_from(Backoff::ACTIVATE.jittered(failures).as_millis()).unwrap_or(u64::MAX);
        let retry_at_ms = now_ms.saturating_add(delay_ms);
        self.refused = Some(RefusedRoutes { wanted, why, at_unix_ms: unix_ms(), failures, retry_at_ms });
    }

    /// Notes what the gateway has made of a set of routes.
    fn note_taken(&mut self, wanted: Vec<DesiredRoute>, taken: Taken, now_ms: u64) {
        self.active = self.versions(&wanted, taken.routes);
        if taken.refused.is_empty() {
            self.refused = None;
        } else {
            self.note_refused(wanted, Refusal::Some(taken.refused), now_ms);
        }
    }

    /// Which of the wanted and the active ones these are.
    fn versions(&self, wanted: &[DesiredRoute], routes: Vec<DeclaredRoute>) -> Vec<DesiredRoute> {
        let by_name = |all: &[DesiredRoute]| all.iter().map(|one| (one.name.clone(), one.clone())).collect();
        let known: [BTreeMap<RouteName, DesiredRoute>; 2] = [by_name(wanted), by_name(&self.active)];
        let version = |route: DeclaredRoute| {
            let mut versions = known.iter().filter_map(|all| all.get(&route.name));
            versions.find(|version| version.spec == route.spec).cloned()
        };
        routes.into_iter().filter_map(version).collect()
    }

    /// Every route that is wanted, active or refused, for the status.
    pub(crate) fn status(&self, wanted: &[DesiredRoute]) -> Vec<NodeRoute> {
        let refused = self.refused.as_ref().map(|refused| &refused.wanted[..]).unwrap_or_default();
        let all = wanted.iter().chain(&self.active).chain(refused);
        let names: BTreeSet<&RouteName> = all.map(|route| &route.name).collect();
        let status = names.into_iter().map(|name| NodeRoute {
            name: name.clone(),
            received: generation_of(wanted, name),
            active: generation_of(&self.active, name),
            failure: self.failure(name),
        });
        status.collect()
    }

    fn failure(&self, name: &RouteName) -> Option<RouteFailure> {
        let RefusedRoutes { wanted, why, at_unix_ms, .. } = self.refused.as_ref()?;
        let reason = match why {
            Refusal::All(_) if generation_of(wanted, name) == generation_of(&self.active, name) => return None,
            Refusal::All(reason) => reason,
            Refusal::Some(reasons) => reasons.get(name)?,
        };
        Some(RouteFailure { reason: reason.clone(), at_unix_ms: *at_unix_ms })
    }
}

fn generation_of(routes: &[DesiredRoute], name: &RouteName) -> Option<Generation> {
    routes.iter().find(|route| route.name == *name).map(|route| route.generation)
}

impl Reconciler {
    /// Gives the gateway the routes that are wanted, and remembers what it has taken.
    pub(super) async fn reconcile_routes(&self) {
        let now_ms = self.shared.now_ms();
        let (step, desired) = self.shared.read(|state| {
            let step = state.routes.step(&state.desired.routes, now_ms);
            (step, Arc::clone(&state.desired))
        });
        match step {
            Some(Step::Apply) if self.apply_routes(desired.routes.clone()).await => self.remember_routes().await,
            Some(Step::Remember) => self.remember_routes().await,
            Some(Step::Apply) | None => {}
        }
    }

    /// Whether the gateway took any of them; of what it refuses it keeps what it has.
    pub(super) async fn apply_routes(&self, wanted: Vec<DesiredRoute>) -> bool {
        let (set_routes, declared) = (self.set_routes.clone(), wanted.iter().map(DesiredRoute::declared).collect());
        // New routes start instances, and the gateway looks at this machine's addresses.
        let taken = spawn_blocking(move || set_routes(declared)).await;
        let now_ms = self.shared.now_ms();
        match taken.map_err(|error| format!("the gateway failed: {error}")).flatten() {
            Ok(taken) => {
                tracing::info!(routes = taken.routes.len(), "the gateway has its routes");
                for (route, reason) in &taken.refused {
                    tracing::warn!(%route, reason, "the gateway refuses a route");
                }
                self.shared.update(|state| Arc::make_mut(&mut state.routes).note_taken(wanted, taken, now_ms));
                true
            }
            Err(reason) => {
                tracing::warn!(reason, "the gateway keeps the routes that it has");
                let why = Refusal::All(reason);
                self.shared.update(|state| Arc::make_mut(&mut state.routes).note_refused(wanted, why, now_ms));
                false
            }
        }
    }

    async fn remember_routes(&self) {
        let state = self.shared.state();
        let slots = state.slots.into_values().filter_map(|record| record.actual.healthy).collect();
        let record = DesiredState { generation: state.desired.generation, slots, routes: state.routes.active.clone() };
        if self.write_healthy(record).await.is_ok() {
            self.shared.update(|now| Arc::make_mut(&mut now.routes).healthy = state.routes.active.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(name: &str, counter: u64) -> DesiredRoute {
        let spec = json!({"backends": [{"name": "a", "address": "127.0.0.1:1"}]});
        let spec = serde_json::from_value(spec).unwrap();
        DesiredRoute { name: name.parse().unwrap(), generation: Generation { epoch: 0, counter }, spec }
    }

    #[test]
    fn what_is_refused_waits_and_something_else_does_not() {
        let (old, new, other) = (vec![route("a", 1)], vec![route("a", 2)], vec![route("a", 3)]);
        let mut record = RoutesRecord::default();
        assert_eq!((record.step(&[], 0), record.step(&old, 0)), (None, Some(Step::Apply)));
        let taken = |routes: &[DesiredRoute], refused: &[&str]| Taken {
            routes: routes.iter().map(DesiredRoute::declared).collect(),
            refused: refused.iter().map(|name| (name.parse().unwrap(), "r".to_owned())).collect(),
        };
        record.note_taken(old.clone(), taken(&old, &[]), 0);
        assert_eq!(record.step(&old, 0), Some(Step::Remember));
        record.healthy = old.clone();
        assert_eq!(record.step(&old, 0), None);
        record.note_refused(new.clone(), Refusal::All("r".to_owned()), 100);
        let retry_at_ms = record.retry_at_ms(&new).unwrap();
        assert!(retry_at_ms > 100 && record.step(&new, 100).is_none());
        assert_eq!(record.step(&new, retry_at_ms), Some(Step::Apply));
        assert_eq!((record.step(&other, 100), record.step(&old, 100)), (Some(Step::Apply), None));
        assert_eq!((record.next_look_ms(&new, 100), record.next_look_ms(&old, 100)), (Some(retry_at_ms), None));
        record.follow(&new);
        assert!(record.refused.is_some());
        record.follow(&old);
        assert_eq!(record.refused, None);
        // What is taken beside something refused is remembered, and the rest is tried again.
        let both = vec![changed("a", 2), route("b", 2)];
        record.note_taken(both.clone(), taken(&[route("a", 1), route("b", 2)], &["a"]), 100);
        assert_eq!(record.active, [route("a", 1), route("b", 2)]);
        assert_eq!((record.step(&both, 100), record.step(&both, u64::MAX)), (Some(Step::Remember), Some(Step::Apply)));
        record.healthy = record.active.clone();
        assert_eq!(record.step(&both, 100), None);
        assert!(record.next_look_ms(&both, 100).is_some_and(|at_ms| at_ms > 100));
        // A gateway that takes nothing is no reason to forget.
        record.note_refused(both.clone(), Refusal::All("r".to_owned()), 100);
        record.healthy = Vec::new();
        assert_eq!(record.step(&both, 100), None);
    }

    /// Name, what was received, what is active, why that is not the same.
    type Told<'a> = (&'a str, Option<u64>, Option<u64>, Option<&'a str>);

    fn changed(name: &str, counter: u64) -> DesiredRoute {
        let mut route = route(name, counter);
        route.spec.path_prefix = "/changed".to_owned();
        route
    }

    #[test]
    fn every_route_says_what_it_is_and_why() {
        let active = vec![route("gone", 1), route("same", 1), route("worse", 1)];
        let mut record = RoutesRecord { active, ..RoutesRecord::default() };
        let wanted = vec![route("new", 2), route("same", 1), changed("worse", 2)];
        let check = |record: &RoutesRecord, expected: &[Told<'_>]| {
            let status = record.status(&wanted);
            let told = status.iter().map(|route| {
                let counter = |generation: Option<Generation>| generation.map(|generation| generation.counter);
                let reason = route.failure.as_ref().map(|failure| failure.reason.as_str());
                (route.name.as_str(), counter(route.received), counter(route.active), reason)
            });
            assert_eq!(told.collect::<Vec<_>>(), expected);
        };
        record.note_refused(wanted.clone(), Refusal::All("too many".to_owned()), 0);
        check(
            &record,
            &[
                ("gone", None, Some(1), Some("too many")),
                ("new", Some(2), None, Some("too many")),
                ("same", Some(1), Some(1), None),
                ("worse", Some(2), Some(1), Some("too many")),
            ],
        );
        let routes = [route("new", 2), route("same", 1), route("worse", 1)];
        let routes = routes.iter().map(DesiredRoute::declared).collect();
        let refused = BTreeMap::from([("worse".parse().unwrap(), "it is wrong".to_owned())]);
        record.note_taken(wanted.clone(), Taken { routes, refused }, 0);
        check(
            &record,
            &[
                ("new", Some(2), Some(2), None),
                ("same", Some(1), Some(1), None),
                ("worse", Some(2), Some(1), Some("it is wrong")),
            ],
        );
    }
}
