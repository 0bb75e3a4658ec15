use std::sync::Arc;

use serde::{Deserialize, Serialize};
use switchyard_store::{ConfigStore, keyspace};

use crate::{documents, problem::Problem};

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
        Self { id, url, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// The servers of the fleet, as one of them sees the others.
#[derive(Clone)]
pub(crate) struct Peers {
    store: Arc<dyn ConfigStore>,
    token: String,
}

impl Peers {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, token: String) -> Self {
        Self { store, token }
    }

    /// What shows the others that we are one of them.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Every server that runs, this one with them.
    pub(crate) async fn all(&self) -> Result<Vec<ServerRecord>, Problem> {
        let all = documents::all::<ServerRecord>(&*self.store, keyspace::SERVERS).await?;
        Ok(all.into_iter().map(|stored| stored.value).collect())
    }
}
