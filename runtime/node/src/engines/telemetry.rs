use std::{collections::BTreeMap, sync::Arc};

use switchyard_host::StrategySlot;
use switchyard_telemetry::{
    Figure, FigureKind, Telemetry, TelemetryConfig, TelemetryError, TelemetryService, alerting::WebhookConfig,
};
use switchyard_types::{SlotId, StrategyKind};

use super::{Engine, Figures, Ground, Routes, listen};
use crate::NodeError;

/// In the node's folder.
const ALERTS: &str = "alerts.json";

/// What engines count since their start, by the name behind the engine's own. Whatever else they say is what is now: a
/// count that is taken for a gauge still shows the right number, a gauge that is taken for a count does not.
const COUNTERS: [&str; 31] = [
    "all_unhealthy",
    "answer_bytes",
    "commands",
    "commits",
    "connections_accepted",
    "connections_cut",
    "connections_refused",
    "connections_stalled",
    "connections_stuck",
    "dead_dropped",
    "discarded",
    "done",
    "events_changes_dropped",
    "events_dropped",
    "events_reads_dropped",
    "evicted_by_fallback",
    "evicted_by_strategy",
    "expired",
    "failed",
    "hits",
    "late",
    "lost",
    "misses",
    "pushed",
    "refused",
    "request_bytes",
    "requests",
    "retries",
    "stores",
    "too_large",
    "unanswered",
];

/// Telemetry, and the node's own HTTP listener with what other engines serve there. It shows the figures of `others`.
pub(super) async fn start(ground: &Ground<'_>, routes: Routes, others: &[&Engine]) -> Result<Engine, NodeError> {
    let failed = |source: TelemetryError| NodeError::Engine { engine: "telemetry", source: source.into() };
    let internal = ground.config.alert_webhook_internal;
    let webhook = ground.config.alert_webhook.clone().map(|url| WebhookConfig { url, internal });
    let alerts_file = Some(ground.folder.join(ALERTS));
    let config = TelemetryConfig { alerts_file, webhook, ..TelemetryConfig::default() };
    let telemetry = Telemetry::new(ground.host, config);
    for engine in others {
        let figures = Arc::clone(&engine.figures);
        telemetry.source(engine.name, move || typed(&figures));
    }
    let (listener, address) = listen("HTTP", ground.config.http_listen).await?;
    let service = TelemetryService::new(telemetry.clone(), listener).map_err(failed)?.with_routes(routes);
    Ok(Engine {
        name: "telemetry",
        slots: slots(&telemetry),
        listeners: vec![("http", address)],
        figures: Arc::new(move || named(&telemetry)),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    })
}

fn slots(telemetry: &Telemetry) -> Vec<(SlotId, Arc<dyn StrategySlot>)> {
    let whole = |kind| SlotId { kind, target: String::new() };
    vec![
        (whole(StrategyKind::Alerting), Arc::new(telemetry.alerting_slot().clone())),
        (whole(StrategyKind::Scoring), Arc::new(telemetry.scoring_slot().clone())),
    ]
}

/// What stands in the node's status.
fn named(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    let alerts = telemetry.alert_figures();
    let whole = [
        ("alerts.firing", alerts.firing),
        ("alerts.pending", alerts.pending),
        ("alerts.evaluations", alerts.evaluations),
        ("alerts.evaluations_failed", alerts.evaluations_failed),
    ];
    whole.into_iter().map(|(name, value)| (name.to_owned(), value as f64)).collect()
}

/// An engine's figures as series.
fn typed(figures: &Figures) -> Vec<Figure> {
    figures().into_iter().map(|(name, value)| figure(name, value)).collect()
}

/// A name may have one label behind it: `name{label=value}`.
fn figure(name: String, value: f64) -> Figure {
    let (name, label) = match name.split_once('{') {
        Some((name, label)) => (name.to_owned(), label.strip_suffix('}').and_then(|label| label.split_once('='))),
        None => (name, None),
    };
    let what = name.split_once('.').map_or(&*name, |(_, what)| what);
    let unit = match what {
        "server.request.duration" => "s",
        "hit_ratio" | "server.error.ratio" => "1",
        what if what == "bytes" || what.ends_with("_bytes") => "By",
        _ => "",
    };
    let (kind, description) = match COUNTERS.binary_search(&what) {
        Ok(_) => (FigureKind::Counter, "Counted by an engine of the node since its start"),
        Err(_) => (FigureKind::Gauge, "Held by an engine of the node now"),
    };
    let figure = Figure { kind, ..Figure::gauge(name.clone(), unit, description, value) };
    match label {
        Some((label, value)) => figure.with(label, value),
        None => figure,
    }
}

#[cfg(test)]
mod tests {
    use switchyard_cache::CacheFigures;
    use switchyard_tasks::TasksFigures;

    use super::*;

    #[test]
    fn what_is_held_is_no_counter() {
        assert!(COUNTERS.is_sorted());
        let names = CacheFigures::default().named().into_keys().chain(TasksFigures::default().named().into_keys());
        let gauges = names.filter(|name| figure(name.clone(), 0.0).kind == FigureKind::Gauge);
        let expected = [
            "cache.bytes",
            "cache.capacity",
            "cache.connections",
            "cache.entries",
            "cache.entries_expiring",
            "cache.hit_ratio",
            "cache.used",
            "tasks.connections",
            "tasks.dead",
            "tasks.delayed",
            "tasks.leased",
            "tasks.waiting",
        ];
        assert_eq!(gauges.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_routes_figure_has_its_label() {
        let route = figure("http.server.request.duration{route=shop}".to_owned(), 0.5);
        let expected = Figure::gauge("http.server.request.duration", "s", "", 0.5).with("route", "shop");
        assert_eq!(Figure { description: "", ..route }, expected);
        assert_eq!(figure("gateway.request_bytes".to_owned(), 1.0).kind, FigureKind::Counter);
    }
}
