use std::sync::Arc;

use switchyard_types::Figure;

use crate::{Gateway, route::Route};

/// Routes whose own figures are shown: a status with thousands of figures is of no use to anybody.
const ROUTES_SHOWN_MAX: usize = 64;

impl Gateway {
    /// Figures by name, as they stand in the node's status and metrics: `gateway.…` of the listener and of all routes
    /// together, also of those that are gone; and, with a label `route`, by OpenTelemetry's name how long its answers took
    /// (a histogram), and which part of them failed in the last seconds (absent where nobody has asked).
    pub fn list(&self) -> Vec<Figure> {
        let table = self.shared.routes.load();
        let (routes, now_ms) = (table.routes(), self.shared.clock.now_ms());
        let mut figures = self.listeners();
        figures.extend(backends(routes));
        figures.extend(self.totals().list());
        figures.extend(routes.iter().take(ROUTES_SHOWN_MAX).flat_map(|route| measures(route, now_ms)));
        figures
    }

    fn listeners(&self) -> Vec<Figure> {
        let listener = self.figures();
        let counter = |name, text, count: u64| Figure::counter(name, "{connection}", text, count as f64);
        vec![
            Figure::gauge("gateway.connections", "{connection}", "Clients", listener.connections as f64),
            counter("gateway.connections_accepted", "Clients since the start", listener.accepted),
            counter("gateway.connections_refused", "Clients over the bound", listener.refused),
            counter("gateway.connections_stuck", "Clients whose request's head did not end", listener.stuck),
            counter("gateway.connections_stalled", "Clients that took nothing of their answers", listener.stalled),
            counter("gateway.connections_cut", "Clients cut off when the gateway stopped", listener.cut),
        ]
    }
}

fn backends(routes: &[Arc<Route>]) -> [Figure; 3] {
    let all = || routes.iter().flat_map(|route| &route.members);
    let healthy = all().filter(|member| member.backend.is_healthy()).count();
    [
        Figure::gauge("gateway.routes", "{route}", "Routes", routes.len() as f64),
        Figure::gauge("gateway.backends", "{backend}", "Backends of all routes", all().count() as f64),
        Figure::gauge("gateway.backends_healthy", "{backend}", "Backends that get requests", healthy as f64),
    ]
}

fn measures(route: &Arc<Route>, now_ms: u64) -> impl Iterator<Item = Figure> {
    let text = "From the request's head to the answer's";
    let duration = Figure::gauge("http.server.request.duration", "s", text, 0.0);
    let duration = Figure { value: route.counters.latency.durations(), ..duration };
    let text = "Share of the last seconds' answers with a status from 500";
    let ratio = route.recent(now_ms).error_ratio();
    let errors = ratio.map(|ratio| Figure::gauge("http.server.error.ratio", "1", text, ratio));
    [duration].into_iter().chain(errors).map(|figure| figure.with("route", route.name.as_str()))
}
