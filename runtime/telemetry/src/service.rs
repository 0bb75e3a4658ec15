use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Telemetry, TelemetryError,
    alerting::{AlertsFile, Webhook},
    http::{BoundedListener, router},
};

/// How long requests may finish when the service stops. Those that do not go with the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest pause between collections: a pause of nothing would keep a core busy.
const COLLECT_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Pause between saves of the alerts: one that flaps does not keep the disk busy.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Telemetry behind its listener, with what it does by itself: it collects, notifies and saves.
#[derive(Debug)]
pub struct TelemetryService {
    telemetry: Telemetry,
    listener: TcpListener,
    webhook: Option<Webhook>,
    routes: Router,
}

impl TelemetryService {
    /// A service on a listener that is bound already. Fails where the webhook's address is not one that may be called.
    pub fn new(telemetry: Telemetry, listener: TcpListener) -> Result<Self, TelemetryError> {
        let webhook = telemetry.config().webhook.as_ref().map(|config| telemetry.alerts().webhook(config));
        Ok(Self { webhook: webhook.transpose()?.flatten(), telemetry, listener, routes: Router::new() })
    }

    /// Also serves these, which have no fallback of their own.
    #[must_use]
    pub fn with_routes(self, routes: Router) -> Self {
        Self { routes, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then finishes the requests that have begun and saves the active alerts.
    pub async fn run(self, stop: CancellationToken) -> Result<(), TelemetryError> {
        let Self { telemetry, listener, webhook, routes } = self;
        // Before the first request: the node's own series are there, and nobody can take their names.
        collect_once(&telemetry).await;
        let tasks = TaskTracker::new();
        tasks.spawn(collect(telemetry.clone(), stop.clone()));
        webhook.map(|webhook| tasks.spawn(webhook.run(stop.clone())));
        let file = telemetry.config().alerts_file.clone().map(AlertsFile::new);
        file.map(|file| tasks.spawn(save(telemetry.clone(), file, stop.clone())));

        let served = serve(telemetry, listener, routes, &stop).await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        served
    }
}

async fn serve(
    telemetry: Telemetry,
    listener: TcpListener,
    routes: Router,
    stop: &CancellationToken,
) -> Result<(), TelemetryError> {
    let listener = BoundedListener::new(listener, telemetry.config().connections_max);
    let serving =
        axum::serve(listener, router(telemetry).merge(routes)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::select! {
        served = serving => served.map_err(TelemetryError::Listen),
        () = out_of_patience => {
            tracing::warn!("clients did not finish in time");
            Ok(())
        }
    }
}

async fn collect(telemetry: Telemetry, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(telemetry.config().collect_interval.max(COLLECT_INTERVAL_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and there has just been a collection.
    ticks.reset();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        collect_once(&telemetry).await;
    }
}

async fn collect_once(telemetry: &Telemetry) {
    let telemetry = telemetry.clone();
    // The machine and the engines are asked off the async threads. A panic there is one collection less.
    if let Err(error) = tokio::task::spawn_blocking(move || telemetry.collect()).await {
        tracing::error!(%error, "a collection failed");
    }
}

/// Saves after the first change at once, then what has changed since, and once more at the end.
async fn save(telemetry: Telemetry, file: AlertsFile, stop: CancellationToken) {
    let mut goes_on = true;
    while goes_on {
        goes_on = stop.run_until_cancelled(telemetry.alerts().changed()).await.is_some();
        let (telemetry, file) = (telemetry.clone(), file.clone());
        let saving = move || telemetry.alerts().save(&file);
        if let Err(error) = tokio::task::spawn_blocking(saving).await {
            tracing::error!(%error, "saving the alerts failed");
        }
        stop.run_until_cancelled(tokio::time::sleep(SAVE_INTERVAL)).await;
    }
}
