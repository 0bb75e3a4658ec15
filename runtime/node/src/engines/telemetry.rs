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
const COUNTERS: [&str; 30] = [
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

/// A name may have one label behind it: `http.server.error.ratio{route=shop}`.
fn figure(whole: String, value: f64) -> Figure {
    let labelled = whole.strip_suffix('}').and_then(|whole| whole.split_once('{'));
    let (name, label) = labelled.map_or((&*whole, None), |(name, label)| (name, label.split_once('=')));
    let what = name.split_once('.').map_or(name, |(_, what)| what);
    let unit = match what {
        "bytes" | "answer_bytes" | "request_bytes" => "By",
        "hit_ratio" | "server.error.ratio" => "1",
        "server.request.duration" => "s",
        _ => "",
    };
    let (kind, description) = match COUNTERS.binary_search(&what) {
        Ok(_) => (FigureKind::Counter, "Counted by an engine of the node since its start"),
        Err(_) => (FigureKind::Gauge, "Held by an engine of the node now"),
    };
    let figure = Figure { kind, ..Figure::gauge(name.to_owned(), unit, description, value) };
    label.into_iter().fold(figure, |figure, (name, value)| figure.with(name, value))
}

#[cfg(test)]
mod tests {
    use switchyard_cache::CacheFigures;
    use switchyard_gateway::{Gateway, GatewayConfig};
    use switchyard_host::{Compiler, Host, HostConfig};
    use switchyard_tasks::TasksFigures;
    use tokio::runtime::Handle;

    use super::*;

    #[test]
    fn a_figure_of_a_route_has_its_label_and_unit() {
        let figure = figure("http.server.request.duration{route=shop}".to_owned(), 0.5);
        assert_eq!((&*figure.name, figure.unit, figure.kind), ("http.server.request.duration", "s", FigureKind::Gauge));
        assert_eq!(figure.labels, [("route".into(), "shop".into())]);
    }

    #[tokio::test]
    async fn every_counter_is_one_that_an_engine_has() {
        assert!(COUNTERS.is_sorted());
        let host = Host::new(HostConfig::new(Compiler::InProcess)).unwrap();
        let gateway = Gateway::new(&host, GatewayConfig::default(), Handle::current());
        let (cache, tasks) = (CacheFigures::default().named(), TasksFigures::default().named());
        let all: Vec<_> = cache.into_keys().chain(tasks.into_keys()).chain(gateway.named().into_keys()).collect();
        for counter in COUNTERS {
            assert!(all.iter().any(|name| name.ends_with(&format!(".{counter}"))), "{counter}");
        }
        let counters = all.iter().filter(|name| figure((*name).clone(), 0.0).kind == FigureKind::Counter).count();
        assert_eq!((counters, all.len() - counters), (36, 18));
    }
}
