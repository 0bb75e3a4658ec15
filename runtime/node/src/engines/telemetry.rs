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
const COUNTERS: [&str; 22] = [
    "commands",
    "commits",
    "connections_accepted",
    "connections_cut",
    "connections_refused",
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
    "stores",
    "too_large",
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

fn figure(name: String, value: f64) -> Figure {
    let what = name.split_once('.').map_or(&*name, |(_, what)| what);
    let unit = match what {
        "bytes" => "By",
        "hit_ratio" => "1",
        _ => "",
    };
    let (kind, description) = match COUNTERS.binary_search(&what) {
        Ok(_) => (FigureKind::Counter, "Counted by an engine of the node since its start"),
        Err(_) => (FigureKind::Gauge, "Held by an engine of the node now"),
    };
    Figure { kind, ..Figure::gauge(name, unit, description, value) }
}

#[cfg(test)]
mod tests {
    use switchyard_cache::CacheFigures;
    use switchyard_tasks::TasksFigures;

    use super::*;

    #[test]
    fn every_counter_is_one_that_an_engine_has() {
        assert!(COUNTERS.is_sorted());
        let all: Vec<_> =
            CacheFigures::default().named().into_keys().chain(TasksFigures::default().named().into_keys()).collect();
        for counter in COUNTERS {
            assert!(all.iter().any(|name| name.ends_with(&format!(".{counter}"))), "{counter}");
        }
        let counters = all.iter().filter(|name| figure((*name).clone(), 0.0).kind == FigureKind::Counter).count();
        assert_eq!((counters, all.len() - counters), (24, 13));
    }
}
