use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use switchyard_listen::BoundedListener;
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Telemetry, TelemetryError,
    alerting::{AlertsFile, Webhook},
    http::router,
};

/// How long requests may finish when the service stops. Those that do not go with the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest interval of what is done again and again: one of nothing would keep a core busy.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// Pause between saves of the alerts: one that flaps does not keep the disk busy.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// What is done again and again.
type Work = fn(&Telemetry);

/// Telemetry behind its listener, with what it does by itself: it collects, has alerts and scores decided, notifies and
/// saves.
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
        run_once(&telemetry, Telemetry::collect).await;
        let tasks = TaskTracker::new();
        let config = telemetry.config();
        let again_and_again: [(Duration, Work); 3] = [
            (config.collect_interval, Telemetry::collect),
            (config.evaluate_interval, Telemetry::evaluate),
            (config.score_interval, Telemetry::score),
        ];
        for (interval, work) in again_and_again {
            tasks.spawn(repeat(telemetry.clone(), interval, work, stop.clone()));
        }
        webhook.map(|webhook| tasks.spawn(webhook.run(stop.clone())));
        let file = telemetry.config().alerts_file.clone().map(AlertsFile::new);
        file.clone().map(|file| tasks.spawn(save(telemetry.clone(), file, stop.clone())));

        let served = serve(telemetry.clone(), listener, routes, &stop).await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        if let Some(file) = file {
            // Now that nothing changes any more.
            save_once(&telemetry, &file).await;
        }
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

async fn repeat(telemetry: Telemetry, interval: Duration, work: Work, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval.max(INTERVAL_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, when there is nothing to see yet.
    ticks.reset();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        run_once(&telemetry, work).await;
    }
}

async fn run_once(telemetry: &Telemetry, work: Work) {
    let telemetry = telemetry.clone();
    // The machine, the engines and the strategies are asked off the async threads. A panic there is one time less.
    if let Err(error) = tokio::task::spawn_blocking(move || work(&telemetry)).await {
        tracing::error!(%error, "a collection or an evaluation failed");
    }
}

/// Saves after the first change at once, then what has changed since. What could not be saved is tried again.
async fn save(telemetry: Telemetry, file: AlertsFile, stop: CancellationToken) {
    while stop.run_until_cancelled(telemetry.alerts().changed()).await.is_some() {
        while !save_once(&telemetry, &file).await && !stop.is_cancelled() {
            stop.run_until_cancelled(tokio::time::sleep(SAVE_INTERVAL)).await;
        }
        stop.run_until_cancelled(tokio::time::sleep(SAVE_INTERVAL)).await;
    }
}

async fn save_once(telemetry: &Telemetry, file: &AlertsFile) -> bool {
    let (telemetry, file) = (telemetry.clone(), file.clone());
    let saving = tokio::task::spawn_blocking(move || telemetry.alerts().save(&file));
    saving.await.unwrap_or_else(|error| {
        tracing::error!(%error, "saving the alerts failed");
        false
    })
}
