use std::collections::BTreeSet;

use switchyard_plan::{DesiredRoute, DesiredState};
use switchyard_types::{Generation, NodeRoute, RouteFailure, RouteName};
use tokio::task::spawn_blocking;

use super::{Reconciler, reconciler::RECORD_RETRY_MS};
use crate::{backoff::Backoff, engines::RoutesRefused, shared::unix_ms};

/// The gateway's routes as the node sees them: they change together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoutesRecord {
    /// What requests follow.
    pub(crate) active: Vec<DesiredRoute>,
    /// What is remembered on disk. Routes need no trial: the gateway has them or refuses them.
    pub(crate) healthy: Vec<DesiredRoute>,
    /// The last set that was refused, until one is taken.
    refused: Option<RefusedRoutes>,
}

/// A set of routes that the gateway did not take.
#[derive(Debug, Clone, PartialEq)]
struct RefusedRoutes {
    wanted: Vec<DesiredRoute>,
    why: RoutesRefused,
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
        if self.active != wanted {
            return self.retry_at_ms(wanted).is_none_or(|at_ms| now_ms >= at_ms).then_some(Step::Apply);
        }
        (self.healthy != self.active).then_some(Step::Remember)
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

    pub(crate) fn is_refused_for(&self, why: &RoutesRefused) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.why == *why)
    }

    /// Notes that these were refused. They are tried again after a delay that grows with every refusal.
    pub(crate) fn note_refused(&mut self, wanted: Vec<DesiredRoute>, why: RoutesRefused, now_ms: u64) {
        let before = self.refused.take().filter(|refused| refused.wanted == wanted);
        let failures = before.map_or(1, |refused| refused.failures.saturating_add(1));
        let delay_ms = u64::try_from(Backoff::ACTIVATE.jittered(failures).as_millis()).unwrap_or(u64::MAX);
        let retry_at_ms = now_ms.saturating_add(delay_ms);
        self.refused = Some(RefusedRoutes { wanted, why, at_unix_ms: unix_ms(), failures, retry_at_ms });
    }

    fn note_active(&mut self, active: Vec<DesiredRoute>) {
        self.active = active;
        self.refused = None;
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
        if generation_of(wanted, name) == generation_of(&self.active, name) {
            return None;
        }
        let reason = match &why.route {
            Some(other) if other != name => format!("it waits for another: {}", why.reason),
            _ => why.reason.clone(),
        };
        Some(RouteFailure { reason, at_unix_ms: *at_unix_ms })
    }
}

fn generation_of(routes: &[DesiredRoute], name: &RouteName) -> Option<Generation> {
    routes.iter().find(|route| route.name == *name).map(|route| route.generation)
}

impl Reconciler {
    /// Gives the gateway the routes that are wanted, and remembers what it has taken.
    pub(super) async fn reconcile_routes(&self) {
        let state = self.shared.state();
        match state.routes.step(&state.desired.routes, self.shared.now_ms()) {
            Some(Step::Apply) if self.apply_routes(state.desired.routes).await => self.remember_routes().await,
            Some(Step::Remember) => self.remember_routes().await,
            Some(Step::Apply) | None => {}
        }
    }

    /// Whether the gateway took them; whatever it refuses, it keeps what it has.
    pub(super) async fn apply_routes(&self, wanted: Vec<DesiredRoute>) -> bool {
        let (set_routes, declared) = (self.set_routes.clone(), wanted.iter().map(DesiredRoute::declared).collect());
        // New routes start instances, and the gateway looks at this machine's addresses.
        let taken = spawn_blocking(move || set_routes(declared)).await;
        let broken = |error| RoutesRefused { route: None, reason: format!("the gateway failed: {error}") };
        match taken.map_err(broken).flatten() {
            Ok(()) => {
                tracing::info!(routes = wanted.len(), "the gateway has its routes");
                self.shared.update(|state| state.routes.note_active(wanted));
                true
            }
            Err(refused) => {
                tracing::warn!(reason = refused.reason, "the gateway keeps the routes that it has");
                self.shared.update(|state| state.routes.note_refused(wanted, refused, self.shared.now_ms()));
                false
            }
        }
    }

    async fn remember_routes(&self) {
        let state = self.shared.state();
        let slots = state.slots.into_values().filter_map(|record| record.actual.healthy).collect();
        let record = DesiredState { generation: state.desired.generation, slots, routes: state.routes.active.clone() };
        if self.write_healthy(record).await.is_ok() {
            self.shared.update(|now| now.routes.healthy = state.routes.active);
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
        record.note_active(old.clone());
        assert_eq!(record.step(&old, 0), Some(Step::Remember));
        record.healthy = old.clone();
        assert_eq!(record.step(&old, 0), None);
        record.note_refused(new.clone(), RoutesRefused { route: None, reason: "r".to_owned() }, 100);
        let retry_at_ms = record.retry_at_ms(&new).unwrap();
        assert!(retry_at_ms > 100 && record.step(&new, 100).is_none());
        assert_eq!(record.step(&new, retry_at_ms), Some(Step::Apply));
        assert_eq!((record.step(&other, 100), record.step(&old, 100)), (Some(Step::Apply), None));
        assert_eq!((record.next_look_ms(&new, 100), record.next_look_ms(&old, 100)), (Some(retry_at_ms), None));
        record.follow(&new);
        assert!(record.refused.is_some());
        record.follow(&old);
        assert_eq!(record.refused, None);
    }

    #[test]
    fn every_route_says_what_it_is_and_why() {
        let mut record = RoutesRecord::default();
        record.note_active(vec![route("gone", 1), route("same", 1), route("worse", 1)]);
        let wanted = vec![route("new", 2), route("same", 1), route("worse", 2)];
        let why = RoutesRefused { route: Some("worse".parse().unwrap()), reason: "it is wrong".to_owned() };
        record.note_refused(wanted.clone(), why, 0);
        let told: Vec<_> = record
            .status(&wanted)
            .into_iter()
            .map(|route| {
                let counter = |generation: Option<Generation>| generation.map(|generation| generation.counter);
                let reason = route.failure.map(|failure| failure.reason);
                (route.name.to_string(), counter(route.received), counter(route.active), reason)
            })
            .collect();
        let waits = || Some("it waits for another: it is wrong".to_owned());
        assert_eq!(
            told,
            [
                ("gone".to_owned(), None, Some(1), waits()),
                ("new".to_owned(), Some(2), None, waits()),
                ("same".to_owned(), Some(1), Some(1), None),
                ("worse".to_owned(), Some(2), Some(1), Some("it is wrong".to_owned())),
            ]
        );
    }
}
