use std::collections::BTreeMap;

use switchyard_types::RouteName;

use crate::{Gateway, Recent, RouteStatus};

/// Routes whose own figures are named: a status with thousands of figures is of no use to anybody.
const ROUTES_NAMED_MAX: usize = 64;

impl Gateway {
    /// Figures by name: `gateway.…` of the listener and of all routes together, and by OpenTelemetry's names how long answers
    /// take (seconds, the mean) and which part fails, of all routes and, with `{route=NAME}` behind, of each. These two are
    /// of the last seconds, and absent where nobody has asked.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let status = self.status();
        let mut named: BTreeMap<String, f64> = self.counted(&status).map(|(key, value)| (key, value as f64)).into();
        let mut all = Recent::default();
        for (place, route) in status.iter().enumerate() {
            all.add(route.recent);
            if place < ROUTES_NAMED_MAX {
                named.extend(measures(Some(&route.name), route.recent));
            }
        }
        named.extend(measures(None, all));
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

fn measures(route: Option<&RouteName>, recent: Recent) -> impl Iterator<Item = (String, f64)> {
    let of = route.map_or_else(String::new, |route| format!("{{route={route}}}"));
    let duration = recent.mean_seconds().map(|mean| (format!("http.server.request.duration{of}"), mean));
    let errors = recent.error_ratio().map(|ratio| (format!("http.server.error.ratio{of}"), ratio));
    duration.into_iter().chain(errors)
}
