use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use switchyard_store::{BLOB_BYTES_MAX, BlobError, ConfigStore, LeaseId, Range, StoreError, keyspace};
use switchyard_sync::{RecordError, ServerKey, TrustKey, open_record, sign_record};
use switchyard_types::Digest;
use tokio::task::spawn_blocking;

/// Servers of a fleet that are looked at: more than anybody runs.
const SERVERS_MAX: usize = 100;
/// How long one of them may take to accept a connection, and between two pieces of its answer: a node waits meanwhile.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A server as the store knows it while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerRecord {
    /// Who it is, for as long as its process lives.
    pub(crate) id: String,
    /// Where other servers reach it: `http://HOST:PORT`.
    pub(crate) url: String,
    /// Its version.
    pub(crate) version: String,
}

/// A record with its lease, as a campaign writes it into a candidate: so it is part of what is signed.
#[derive(Serialize)]
struct Leased<'a> {
    #[serde(flatten)]
    record: &'a ServerRecord,
    lease: String,
}

impl ServerRecord {
    /// Of this process.
    pub(crate) fn new(url: String) -> Self {
        let id = format!("server-{:016x}", fastrand::u64(..));
        Self { id, url: url.trim_end_matches('/').to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// As it stands under this key for as long as this lease lives, signed: whoever else writes into the store is no server by that.
    pub(crate) fn signed(&self, key: &ServerKey, at: &str, lease: LeaseId) -> Result<Bytes, StoreError> {
        let signed = sign_record(key, at, &Leased { record: self, lease: format!("{:x}", lease.0) });
        signed.map(Bytes::from).map_err(|error| StoreError::Invalid(error.to_string()))
    }

    /// What a server of the fleet has put under this key.
    pub(crate) fn open(trust: &TrustKey, at: &str, value: &[u8]) -> Result<Self, RecordError> {
        open_record(trust, at, value).inspect_err(|error| tracing::error!(at, %error, "this is no record of a server"))
    }
}

/// The servers of the fleet, as one of them sees the others.
#[derive(Clone)]
pub(crate) struct Peers {
    store: Arc<dyn ConfigStore>,
    token: String,
    trust: TrustKey,
    /// This server's own id; none: it is not one of several.
    own: Option<String>,
    http: Option<Client>,
}

impl Peers {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, key: &ServerKey, own: Option<String>) -> Self {
        // A proxy of the environment would see the token.
        let http = Client::builder().connect_timeout(CONNECT_MAX).read_timeout(SILENCE_MAX).no_proxy();
        let http = http.redirect(reqwest::redirect::Policy::none()).build();
        let http = http.inspect_err(|error| tracing::error!(%error, "there is no way to other servers")).ok();
        Self { store, token: key.peer_token(), trust: key.trust(), own, http }
    }

    /// Every server that runs, but this one.
    pub(crate) async fn others(&self) -> Result<Vec<ServerRecord>, StoreError> {
        let range = Range { prefix: keyspace::SERVERS, after: None, limit: SERVERS_MAX };
        let found = self.store.list(range).await?.entries;
        let records = found.iter().filter_map(|(key, entry)| ServerRecord::open(&self.trust, key, &entry.value).ok());
        Ok(records.filter(|record| self.own.as_ref() != Some(&record.id)).collect())
    }

    /// The bytes that have this digest, from whichever other server has them. Each is asked once: one that is dead or slow costs
    /// the time of that, and the next one has them as well.
    pub(crate) async fn fetch(&self, digest: &Digest) -> Option<Bytes> {
        let others = self.others().await.inspect_err(|error| tracing::warn!(%error, "the other servers are not known"));
        for peer in others.ok()? {
            match self.ask(&peer, digest).await {
                Ok(bytes) => return Some(bytes),
                Err(error) => tracing::debug!(peer = peer.url, %error, "a peer gives no blob"),
            }
        }
        None
    }

    async fn ask(&self, peer: &ServerRecord, digest: &Digest) -> Result<Bytes, BlobError> {
        let unavailable = |error: reqwest::Error| BlobError::Unavailable(error.into());
        let http = self.http.as_ref().ok_or_else(|| BlobError::Unavailable("there is no HTTP client".into()))?;
        let request = http.get(format!("{}/v1/blobs/{digest}", peer.url)).bearer_auth(&self.token);
        let mut answer = request.send().await.and_then(Response::error_for_status).map_err(unavailable)?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > BLOB_BYTES_MAX {
                return Err(BlobError::TooLarge { bytes: bytes.len() as u64 });
            }
        }
        let bytes = bytes.freeze();
        let hashed = bytes.clone();
        let found = spawn_blocking(move || Digest::of(&hashed)).await;
        let found = found.map_err(|error| BlobError::Unavailable(error.into()))?;
        if found == *digest { Ok(bytes) } else { Err(BlobError::Corrupt(*digest)) }
    }
}
