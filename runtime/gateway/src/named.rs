use std::collections::BTreeMap;

use crate::{Gateway, RouteStatus};

/// Routes whose own figures are named: a status with thousands of figures is of no use to anybody.
const ROUTES_NAMED_MAX: usize = 64;

impl Gateway {
    /// Figures by name: `gateway.…` of the listener and of all routes together, and by OpenTelemetry's names, with
    /// `{route=NAME}` behind, how long a route's answers take (seconds, the mean) and which part of them fails. These two are
    /// of the last seconds, and absent where nobody has asked.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let status = self.status();
        let mut named: BTreeMap<String, f64> = self.counted(&status).map(|(key, value)| (key, value as f64)).into();
        named.extend(status.iter().take(ROUTES_NAMED_MAX).flat_map(measures));
        named
    }

    fn counted(&self, routes: &[RouteStatus]) -> [(String, u64); 17] {
        let listener = self.figures();
        let sum = |of: fn(&RouteStatus) -> u64| routes.iter().map(of).sum::<u64>();
        let healthy = |route: &RouteStatus| route.backends.iter().filter(|backend| backend.healthy).count() as u64;
        [
            ("connections", listener.connections),
            ("connections_accepted", listener.accepted),
            ("connections_refused", listener.refused),
            ("connections_stuck", listener.stuck),
            ("connections_stalled", listener.stalled),
            ("connections_cut", listener.cut),
            ("routes", routes.len() as u64),
            ("backends", sum(|route| route.backends.len() as u64)),
            ("backends_healthy", sum(healthy)),
            ("requests", sum(|route| route.figures.requests)),
            ("in_flight", sum(|route| route.figures.in_flight)),
            ("failed", sum(|route| route.figures.failed())),
            ("unanswered", sum(|route| route.figures.unanswered)),
            ("retries", sum(|route| route.figures.retries)),
            ("all_unhealthy", sum(|route| route.figures.all_unhealthy)),
            ("request_bytes", sum(|route| route.figures.request_bytes)),
            ("answer_bytes", sum(|route| route.figures.answer_bytes)),
        ]
        .map(|(name, value)| (format!("gateway.{name}"), value))
    }
}

fn measures(route: &RouteStatus) -> impl Iterator<Item = (String, f64)> {
    let RouteStatus { name, recent, .. } = route;
    let duration = recent.mean_seconds().map(|mean| (format!("http.server.request.duration{{route={name}}}"), mean));
    let errors = recent.error_ratio().map(|ratio| (format!("http.server.error.ratio{{route={name}}}"), ratio));
    duration.into_iter().chain(errors)
}
