use std::{collections::BTreeMap, sync::Arc};

use switchyard_telemetry::{Telemetry, TelemetryConfig, TelemetryError, TelemetryService};

use super::{Engine, Ground, Routes, listen};
use crate::NodeError;

/// In the node's folder.
const ALERTS: &str = "alerts.json";

/// Telemetry, and the node's own HTTP listener with what other engines serve there.
pub(super) async fn start(ground: &Ground<'_>, routes: Routes) -> Result<Engine, NodeError> {
    let failed = |source: TelemetryError| NodeError::Engine { engine: "telemetry", source: source.into() };
    let config = TelemetryConfig { alerts_file: Some(ground.folder.join(ALERTS)), ..TelemetryConfig::default() };
    let (listener, address) = listen("HTTP", ground.config.http_listen).await?;
    let service = TelemetryService::new(Telemetry::new(config), listener).map_err(failed)?.with_routes(routes);
    Ok(Engine {
        name: "telemetry",
        slots: Vec::new(),
        listeners: vec![("http", address)],
        figures: Arc::new(BTreeMap::new),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    })
}
