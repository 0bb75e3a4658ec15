use std::{future::IntoFuture, io, sync::Arc, time::Duration};

use axum::Router;
use switchyard_host::Host;
use switchyard_listen::BoundedListener;
use switchyard_store::{BlobStore, ConfigStore, RelayStore, keyspace};
use switchyard_sync::{DesiredWriter, ServerKey};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ServerConfig,
    blobs::Blobs,
    declarations::{Desired, Routes, Strategies},
    fleet::Fleet,
    gate::{Gate, Pace},
    http::{self, App, Forwarder, Parts},
    lead::Lead,
    leader::Membership,
    peers::{Peers, ServerRecord},
    registry::Registry,
    reports::Reports,
    streams::Streams,
    token::Tokens,
    workshop::Workshop,
};

/// Uploads in memory at once.
const UPLOADS_MAX: usize = 4;
/// Uploads that may wait for that, unread.
const UPLOADS_WAITING_MAX: usize = 16;
/// Whole lists that nodes get in a second.
const LISTS_PER_SECOND_MAX: u32 = 50;
/// How long requests that have begun are waited for when the server stops.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// The admin API over a store, which any number of servers may share. What is wanted is there alone. A server itself holds what can be
/// had again: plugins, which its peers have too; what the store told last; and, while it leads, what nodes have told, which they
/// tell the next leader again.
pub struct Server {
    app: App,
    membership: Option<Membership>,
}

impl Server {
    /// A server; nothing listens yet. The admin token is made apart, by [`crate::token::ensure`], and the key by
    /// [`crate::key::load`].
    pub fn new(
        config: ServerConfig,
        store: Arc<dyn ConfigStore>,
        blobs: BlobStore,
        host: Host,
        key: ServerKey,
    ) -> Self {
        let (trust, peer_token) = (key.trust(), key.peer_token());
        let record = config.advertise.clone().map(ServerRecord::new);
        let peers = Peers::new(Arc::clone(&store), &key, record.as_ref().map(|record| record.id.clone()));
        let blobs = Blobs::new(blobs, peers);
        let workshop = Arc::new(Workshop::new(host, blobs.clone()));
        let registry =
            Arc::new(Registry::new(Arc::clone(&store), blobs.clone(), Arc::clone(&workshop), config.plugins_max));
        let desired = Arc::new(Desired::new(Arc::clone(&store), DesiredWriter::new(Arc::clone(&store), key.clone())));
        let (membership, lead) = match record {
            Some(record) => {
                let (membership, lead) = Membership::new(Arc::clone(&store), record, key);
                (Some(membership), lead)
            }
            None => (None, Lead::alone()),
        };
        let stopping = CancellationToken::new();
        let app = App(Arc::new(Parts {
            config,
            strategies: Strategies::new(Arc::clone(&desired), Arc::clone(&registry), workshop),
            routes: Routes::new(Arc::clone(&desired)),
            desired,
            fleet: Fleet::new(Arc::clone(&store)),
            registry,
            relay: RelayStore::new(Arc::clone(&store), keyspace::DESIRED),
            lead,
            lists: Pace::new(LISTS_PER_SECOND_MAX),
            tokens: Tokens::new(&peer_token, trust),
            trust,
            forwarder: Forwarder::new(peer_token),
            reports: Arc::new(Reports::default()),
            streams: Streams::new(stopping.clone()),
            stopping,
            store,
            uploads: Gate::new("too many uploads", UPLOADS_MAX, UPLOADS_WAITING_MAX),
        }));
        Self { app, membership }
    }

    /// The routes, for whoever serves them in another way than [`Server::run`].
    pub fn router(&self) -> Router {
        http::router(self.app.clone())
    }

    /// Serves until `stop`, then for as long as requests that have begun need, at most ten seconds.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let listener = BoundedListener::new(listener, self.app.config.connections_max);
        let stopped = stop.clone().cancelled_owned();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(stopped).into_future();
        let membership = self.membership.map(|membership| tokio::spawn(membership.run(stop.clone())));
        let too_long = async {
            stop.cancelled().await;
            self.app.stopping.cancel();
            sleep(DRAIN_TIME_MAX).await;
        };
        let served = tokio::select! {
            result = serving => result,
            () = too_long => {
                tracing::warn!("requests were still running when the server stopped");
                Ok(())
            }
        };
        // It gives back its place, so that nobody waits for its lease to end.
        stop.cancel();
        if let Some(membership) = membership {
            let _ = timeout(DRAIN_TIME_MAX, membership).await;
        }
        served
    }
}
