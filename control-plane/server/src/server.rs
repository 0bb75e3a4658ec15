use std::{future::IntoFuture, io, sync::Arc, time::Duration};

use axum::Router;
use switchyard_host::Host;
use switchyard_listen::BoundedListener;
use switchyard_store::{BlobStore, ConfigStore};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    ServerConfig,
    declarations::{Desired, Routes, Strategies},
    fleet::Fleet,
    gate::Gate,
    http::{self, App, Parts},
    registry::Registry,
    workshop::Workshop,
};

/// Uploads in memory at once.
const UPLOADS_MAX: usize = 4;
/// Uploads that may wait for that, unread.
const UPLOADS_WAITING_MAX: usize = 16;
/// How long requests that have begun are waited for when the server stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// The admin API over a store. Holds no state of its own beside compiled plugins: any number of servers may share one
/// store.
pub struct Server(App);

impl Server {
    /// A server; nothing listens yet. The admin token is made apart, by [`crate::token::ensure`].
    pub fn new(config: ServerConfig, store: Arc<dyn ConfigStore>, blobs: BlobStore, host: Host) -> Self {
        let workshop = Arc::new(Workshop::new(host, blobs.clone()));
        let registry = Arc::new(Registry::new(Arc::clone(&store), blobs, Arc::clone(&workshop), config.plugins_max));
        let desired = Arc::new(Desired::new(Arc::clone(&store)));
        Self(App(Arc::new(Parts {
            config,
            strategies: Strategies::new(Arc::clone(&desired), Arc::clone(&registry), workshop),
            routes: Routes::new(Arc::clone(&desired)),
            desired,
            fleet: Fleet::new(Arc::clone(&store)),
            registry,
            store,
            uploads: Gate::new("too many uploads", UPLOADS_MAX, UPLOADS_WAITING_MAX),
        })))
    }

    /// The routes, for whoever serves them in another way than [`Server::run`].
    pub fn router(&self) -> Router {
        http::router(self.0.clone())
    }

    /// Serves until `stop`, then for as long as requests that have begun need, at most ten seconds.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let listener = BoundedListener::new(listener, self.0.config.connections_max);
        let stopped = stop.clone().cancelled_owned();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(stopped).into_future();
        let too_long = async {
            stop.cancelled().await;
            sleep(DRAIN_TIME_MAX).await;
        };
        tokio::select! {
            result = serving => result,
            () = too_long => {
                tracing::warn!("requests were still running when the server stopped");
                Ok(())
            }
        }
    }
}
