//! A store behind a server: the same promises, over HTTP. For nodes without credentials of their own for etcd, for several
//! processes on one machine, and because a server tells many nodes of what it is told once.

mod blobs;
mod lines;
mod servers;
pub mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use self::{
    lines::Lines,
    wire::{WireEntry, WireError, WireSnapshot, WireTransaction},
};
use crate::{
    ConfigStore, LeaseId, Range, Revision, SILENCE_MAX, Snapshot, StoreError, Transaction, Updates, Versioned,
    bounds::{check_key, check_lease_ttl, check_range, check_transaction},
};

pub use blobs::RemoteBlobs;
pub use servers::Servers;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long an answer may take, but for streams and blobs.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// Bytes of an answer: a snapshot of a few thousand statuses.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The store that servers share, asked through one of them at a time. Cloning gives another handle.
#[derive(Clone)]
pub struct RemoteStore(Arc<Remote>);

struct Remote {
    servers: Arc<Servers>,
    token: String,
    http: Client,
}

impl RemoteStore {
    /// Nothing is asked yet.
    pub fn new(servers: Arc<Servers>, token: String) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Remote { servers, token, http: client()? })))
    }

    /// Asks the current server; one that does not answer, or has no store itself, is left for the next one. The mark says who
    /// has answered.
    async fn ask(&self, build: impl FnOnce(&Client, &str) -> RequestBuilder) -> Result<(Response, usize), StoreError> {
        let Remote { servers, token, http } = &*self.0;
        let (mark, server) = servers.current();
        let sent = build(http, server.as_str()).bearer_auth(token).send().await;
        match sent {
            Ok(response) if response.status().is_success() => Ok((response, mark)),
            Ok(response) => {
                let error = refusal(response).await;
                if matches!(error, StoreError::Unavailable(_) | StoreError::Busy) {
                    servers.failed(mark);
                }
                Err(error)
            }
            Err(error) => {
                servers.failed(mark);
                Err(StoreError::unavailable(error))
            }
        }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, StoreError> {
        let build =
            |http: &Client, server: &str| http.get(format!("{server}v1/sync/{path}")).query(query).timeout(ANSWER_MAX);
        body(self.ask(build).await?.0).await
    }

    async fn write<T: DeserializeOwned>(&self, path: &str, what: &impl Serialize) -> Result<T, StoreError> {
        let build = |http: &Client, server: &str| {
            http.request(Method::POST, format!("{server}v1/sync/{path}")).json(what).timeout(ANSWER_MAX)
        };
        body(self.ask(build).await?.0).await
    }
}

/// Follows no redirect and asks no proxy: the token is for the servers that were named.
fn client() -> Result<Client, StoreError> {
    let builder = Client::builder().connect_timeout(CONNECT_MAX).read_timeout(SILENCE_MAX);
    builder.redirect(reqwest::redirect::Policy::none()).no_proxy().build().map_err(StoreError::unavailable)
}

#[async_trait]
impl ConfigStore for RemoteStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        check_key(key)?;
        let found: Option<WireEntry> = self.read("key", &[("key", key)]).await?;
        Ok(found.map(Into::into))
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        check_range(range)?;
        let limit = range.limit.to_string();
        let mut query = vec![("prefix", range.prefix), ("limit", &limit)];
        query.extend(range.after.map(|after| ("after", after)));
        let found: WireSnapshot = self.read("list", &query).await?;
        Ok(found.into())
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        check_key(prefix)?;
        let found: WireSnapshot = self.read("snapshot", &[("prefix", prefix)]).await?;
        Ok(found.into())
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        check_transaction(&transaction)?;
        self.write("txn", &WireTransaction::from(transaction)).await.map(Revision)
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        check_key(prefix)?;
        let from = after.0.to_string();
        let query = [("prefix", prefix), ("after", &from)];
        // No time-out over the whole: the stream ends with its reader, and its silence is the reader's to notice.
        let build = |http: &Client, server: &str| http.get(format!("{server}v1/sync/updates")).query(&query);
        let (response, mark) = self.ask(build).await?;
        Ok(Lines::new(response, (Arc::clone(&self.0.servers), mark), after).updates())
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.write("lease", &check_lease_ttl(ttl)?.as_secs()).await.map(LeaseId)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write("keep-alive", &lease.0).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.write("revoke", &lease.0).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.write("compact", &revision.0).await
    }
}

async fn body<T: DeserializeOwned>(mut response: Response) -> Result<T, StoreError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(StoreError::unavailable)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(StoreError::unavailable(format!("the answer is over {ANSWER_BYTES_MAX} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(StoreError::unavailable)
}

/// What a server says that did not do it. Another program at that address, or a server of another kind, is told apart.
async fn refusal(response: Response) -> StoreError {
    let (status, url) = (response.status(), response.url().origin().ascii_serialization());
    let text = response.bytes().await.unwrap_or_default();
    if let Ok(error) = serde_json::from_slice::<WireError>(&text) {
        return error.into();
    }
    let said = serde_json::from_slice::<switchyard_types::ApiError>(&text);
    match (status, said) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Ok(error)) => {
            StoreError::Foreign(format!("{url} refuses the token: {}", error.message))
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => StoreError::Busy,
        (_, Ok(error)) if status.is_server_error() => StoreError::unavailable(error.message),
        (_, Ok(error)) => StoreError::Foreign(format!("{url} answered {status}: {}", error.message)),
        (_, Err(_)) if status.is_server_error() => StoreError::unavailable(format!("{url} answered {status}")),
        (_, Err(_)) => StoreError::Foreign(format!("{url} answered {status}: it is no Switchyard server")),
    }
}
