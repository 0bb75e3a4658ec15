use std::sync::Arc;

use switchyard_host::StrategySlot;
use switchyard_telemetry::{Telemetry, TelemetryConfig, TelemetryError, TelemetryService, alerting::WebhookConfig};
use switchyard_types::{Figure, SlotId, StrategyKind};

use super::{Engine, Ground, Routes, listen, slots};
use crate::NodeError;

const NAME: &str = "telemetry";
/// In the node's folder.
const ALERTS: &str = "alerts.json";

/// Telemetry, and the node's own HTTP listener with what other engines serve there. It shows the figures of `others`.
pub(super) async fn start(ground: &Ground<'_>, routes: Routes, others: &[&Engine]) -> Result<Engine, NodeError> {
    let failed = |source: TelemetryError| NodeError::Engine { engine: "telemetry", source: source.into() };
    let internal = ground.config.alert_webhook_internal;
    let webhook = ground.config.alert_webhook.clone().map(|url| WebhookConfig { url, internal });
    let alerts_file = Some(ground.folder.join(ALERTS));
    let config = TelemetryConfig { alerts_file, webhook, ..TelemetryConfig::default() };
    let telemetry = Telemetry::new(ground.host, config);
    for engine in others {
        let (figures, decided) = (Arc::clone(&engine.figures), engine.slots.clone());
        telemetry.source(engine.name, move || [figures(), slots::list(&decided)].concat());
    }
    let node = Arc::clone(&ground.figures);
    telemetry.source("node", move || node());
    // Its own figures it has anyway.
    let (own, decided) = (own_slots(&telemetry), own_slots(&telemetry));
    telemetry.source(NAME, move || slots::list(&decided));
    let (listener, address) = listen("HTTP", ground.config.http_listen).await?;
    let service = TelemetryService::new(telemetry.clone(), listener).map_err(failed)?.with_routes(routes);
    Ok(Engine {
        name: NAME,
        slots: own,
        listeners: vec![("http", address)],
        figures: Arc::new(move || list(&telemetry)),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    })
}

fn own_slots(telemetry: &Telemetry) -> Vec<(SlotId, Arc<dyn StrategySlot>)> {
    let whole = |kind| SlotId { kind, target: String::new() };
    vec![
        (whole(StrategyKind::Alerting), Arc::new(telemetry.alerting_slot().clone())),
        (whole(StrategyKind::Scoring), Arc::new(telemetry.scoring_slot().clone())),
    ]
}

/// What telemetry itself shows in its metrics stands in the node's status too.
fn list(telemetry: &Telemetry) -> Vec<Figure> {
    let alerts = telemetry.alert_figures();
    let text = "What the alerts are and have been";
    vec![
        Figure::gauge("alerts.firing", "{alert}", text, alerts.firing as f64),
        Figure::gauge("alerts.pending", "{alert}", text, alerts.pending as f64),
        Figure::counter("alerts.evaluations", "{evaluation}", text, alerts.evaluations as f64),
        Figure::counter("alerts.evaluations_failed", "{evaluation}", text, alerts.evaluations_failed as f64),
    ]
}
