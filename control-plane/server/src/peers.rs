use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use switchyard_store::{ConfigStore, Range, StoreError, keyspace};
use switchyard_sync::{RecordError, ServerKey, TrustKey, open_record, sign_record};

/// Servers of a fleet that are looked at: more than anybody runs.
const SERVERS_MAX: usize = 100;

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

impl ServerRecord {
    /// Of this process.
    pub(crate) fn new(url: String) -> Self {
        let id = format!("server-{:016x}", fastrand::u64(..));
        Self { id, url: url.trim_end_matches('/').to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// As it stands under this key, signed: whoever else writes into the store is no server by that.
    pub(crate) fn signed(&self, key: &ServerKey, at: &str) -> Result<Bytes, StoreError> {
        sign_record(key, at, self).map(Bytes::from).map_err(|error| StoreError::Invalid(error.to_string()))
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
}

impl Peers {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, key: &ServerKey, own: Option<String>) -> Self {
        Self { store, token: key.peer_token(), trust: key.trust(), own }
    }

    /// What shows the others that we are one of them.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Every server that runs, but this one.
    pub(crate) async fn others(&self) -> Result<Vec<ServerRecord>, StoreError> {
        let range = Range { prefix: keyspace::SERVERS, after: None, limit: SERVERS_MAX };
        let found = self.store.list(range).await?.entries;
        let records = found.iter().filter_map(|(key, entry)| ServerRecord::open(&self.trust, key, &entry.value).ok());
        Ok(records.filter(|record| self.own.as_ref() != Some(&record.id)).collect())
    }
}
