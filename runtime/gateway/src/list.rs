use std::sync::{Arc, atomic::Ordering};

use switchyard_types::Figure;

use crate::{
    Gateway,
    backend::Backend,
    route::{Member, Route},
};

/// Routes whose own figures are shown: a status with thousands of figures is of no use to anybody.
const ROUTES_SHOWN_MAX: usize = 64;
/// Backends whose own figures are shown, of these routes together.
const BACKENDS_SHOWN_MAX: usize = 64;

impl Gateway {
    /// Figures by name, as they stand in the node's status and metrics: `gateway.…` of the listener and of all routes
    /// together, also of those that are gone; and, with a label `route`, by OpenTelemetry's name how long its answers took
    /// (a histogram), and which part of them failed in the last seconds (absent where nobody has asked), and
    /// `gateway.route.…`; with a label `backend` too, `gateway.backend.…`. Of many routes and backends only the first have
    /// figures of their own; how many have none is a figure as well.
    pub fn list(&self) -> Vec<Figure> {
        let table = self.shared.routes.load();
        let (routes, now_ms) = (table.routes(), self.shared.clock.now_ms());
        let mut figures = self.listeners();
        figures.extend(backends(routes));
        figures.extend(self.totals().list());
        figures.push(self.behind());
        figures.extend(self.unshown(routes));
        let shown = || routes.iter().take(ROUTES_SHOWN_MAX);
        figures.extend(shown().flat_map(|route| measures(route, now_ms)));
        figures.extend(shown().flat_map(of_route));
        let members = shown().flat_map(|route| route.members.iter().map(move |member| (route, member)));
        figures.extend(members.take(BACKENDS_SHOWN_MAX).flat_map(of_backend));
        figures
    }

    fn behind(&self) -> Figure {
        let behind = self.shared.together.lock().behind();
        let text = "Routes for which the strategy did not start: the fallback decides until it does";
        Figure::gauge("gateway.routes_undecided", "{route}", text, behind as f64)
    }

    fn unshown(&self, routes: &[Arc<Route>]) -> [Figure; 2] {
        let all = routes.iter().map(|route| route.members.len()).sum::<usize>();
        let of_shown = routes.iter().take(ROUTES_SHOWN_MAX).map(|route| route.members.len()).sum::<usize>();
        let routes = routes.len().saturating_sub(ROUTES_SHOWN_MAX);
        let backends = all - of_shown.min(BACKENDS_SHOWN_MAX);
        if routes + backends > 0 && !self.shared.unshown_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(routes, backends, "not all routes and backends have figures of their own");
        }
        let text = "Without figures of their own";
        [
            Figure::gauge("gateway.routes_unshown", "{route}", text, routes as f64),
            Figure::gauge("gateway.backends_unshown", "{backend}", text, backends as f64),
        ]
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

fn of_route(route: &Arc<Route>) -> impl Iterator<Item = Figure> {
    let counters = &route.counters;
    let counter = |name, unit, text, count: u64| Figure::counter(name, unit, text, count as f64);
    let [.., failed] = counters.statuses.get();
    let in_flight = counters.in_flight.get() as f64;
    let figures = [
        counter("gateway.route.requests", "{request}", "Requests that it took", counters.requests.get()),
        Figure::gauge("gateway.route.in_flight", "{request}", "Requests that have not ended", in_flight),
        counter("gateway.route.failed", "{request}", "Answers with a status from 500", failed),
        counter("gateway.route.unanswered", "{request}", "No backend answered", counters.unanswered.get()),
        counter("gateway.route.retries", "{try}", "Tries after the first", counters.retries.get()),
        counter("gateway.route.all_unhealthy", "{request}", "Met by no healthy backend", counters.all_unhealthy.get()),
    ];
    figures.into_iter().map(|figure| figure.with("route", route.name.as_str()))
}

fn of_backend((route, member): (&Arc<Route>, &Member)) -> impl Iterator<Item = Figure> {
    let backend = &*member.backend;
    let counters = &backend.counters;
    let counter = |name, unit, text, count: u64| Figure::counter(name, unit, text, count as f64);
    let gauge = |name, unit, text, value: u64| Figure::gauge(name, unit, text, value as f64);
    let healthy = u64::from(backend.is_healthy());
    let figures = [
        counter("gateway.backend.requests", "{try}", "Tries that it got", counters.requests.get()),
        gauge("gateway.backend.in_flight", "{try}", "Tries that have not ended", counters.in_flight.get()),
        gauge("gateway.backend.healthy", "1", "Whether it gets requests", healthy),
        counter("gateway.backend.ejections", "{ejection}", "Times it became unhealthy", counters.ejections.get()),
    ];
    let labels = |figure: Figure| figure.with("route", route.name.as_str()).with("backend", &backend.name);
    figures.into_iter().chain(failures(backend)).map(labels)
}

fn failures(backend: &Backend) -> [Figure; 6] {
    let counters = &backend.counters;
    let [.., failed] = counters.statuses.get();
    let kinds = [
        ("connect", counters.connect_errors.get()),
        ("lost", counters.lost.get()),
        ("timeout", counters.timeouts.get()),
        ("status", failed),
        // These two are not its fault.
        ("exhausted", counters.exhausted.get()),
        ("full", counters.full.get()),
    ];
    let text = "Tries that failed, by kind";
    kinds.map(|(kind, count)| {
        Figure::counter("gateway.backend.failures", "{try}", text, count as f64).with("kind", kind)
    })
}
