//! The store itself, for nodes that reach it through a server: see `switchyard_store::remote`. No part of the documented API:
//! the shapes are between servers and nodes of one version and the next.

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use std::time::Duration;
use switchyard_store::{
    ConfigStore, LeaseId, Operation, Range, Revision, StoreError, Transaction, keyspace,
    remote::wire::{WireEntry, WireError, WireSnapshot, WireTransaction, WireUpdate},
};

use super::{
    App,
    extract::{QueryOf, WireBody},
};
use crate::token::Role;

/// What nodes may read besides their own records.
const READABLE: [&str; 5] =
    [keyspace::DESIRED, keyspace::SERVERS, keyspace::LEADER, keyspace::FORMAT, keyspace::SERVER_KEY];
/// What nodes may write.
const WRITABLE: [&str; 2] = [keyspace::NODES, keyspace::STATUS];

/// Every path of it but the streams, which take as long as they take.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/v1/sync/key", get(get_key))
        .route("/v1/sync/list", get(list))
        .route("/v1/sync/snapshot", get(snapshot))
        .route("/v1/sync/txn", post(txn))
        .route("/v1/sync/lease", post(lease))
        .route("/v1/sync/keep-alive", post(keep_alive))
        .route("/v1/sync/revoke", post(revoke))
        .route("/v1/sync/compact", post(compact))
}

pub(super) fn streams() -> Router<App> {
    Router::new().route("/v1/sync/updates", get(updates))
}

/// A store's error as the other side reads it.
struct SyncError(StoreError);

type Answer<T> = Result<Json<T>, SyncError>;

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for SyncError {
    fn into_response(self) -> Response {
        let error = WireError::from(self.0);
        let status = match &error {
            WireError::Conflict { .. } => StatusCode::CONFLICT,
            WireError::Invalid(_) => StatusCode::BAD_REQUEST,
            WireError::Compacted { .. } | WireError::LeaseEnded => StatusCode::GONE,
            WireError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            WireError::Busy => StatusCode::TOO_MANY_REQUESTS,
            WireError::Foreign(_) => StatusCode::FORBIDDEN,
            WireError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(error)).into_response()
    }
}

fn check_read(role: Role, key: &str) -> Result<(), StoreError> {
    let begins = |allowed: &[&str]| allowed.iter().any(|prefix| key.starts_with(prefix));
    if role == Role::Admin || begins(&READABLE) || begins(&WRITABLE) {
        return Ok(());
    }
    Err(StoreError::Foreign(format!("a node may not read {key}")))
}

fn check_write(role: Role, transaction: &Transaction) -> Result<(), StoreError> {
    if role == Role::Admin {
        return Ok(());
    }
    let conditions = transaction.preconditions.iter().map(|(key, _)| key.as_str());
    let keys = conditions.chain(transaction.operations.iter().map(Operation::key));
    match keys.into_iter().find(|key| !WRITABLE.iter().any(|prefix| key.starts_with(prefix))) {
        None => Ok(()),
        Some(key) => Err(StoreError::Foreign(format!("a node may not write {key}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    key: String,
}

async fn get_key(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    QueryOf(query): QueryOf<KeyQuery>,
) -> Answer<Option<WireEntry>> {
    check_read(role, &query.key)?;
    Ok(Json(app.relay.get(&query.key).await?.map(Into::into)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    prefix: String,
    after: Option<String>,
    limit: usize,
}

async fn list(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Answer<WireSnapshot> {
    check_read(role, &query.prefix)?;
    let range = Range { prefix: &query.prefix, after: query.after.as_deref(), limit: query.limit };
    Ok(Json(app.relay.list(range).await?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotQuery {
    prefix: String,
}

/// At most so many in a second: a fleet that comes back at once is let in one after the other.
async fn snapshot(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    QueryOf(query): QueryOf<SnapshotQuery>,
) -> Answer<WireSnapshot> {
    check_read(role, &query.prefix)?;
    if !app.lists.try_pass() {
        return Err(StoreError::Busy.into());
    }
    Ok(Json(app.relay.snapshot(&query.prefix).await?.into()))
}

async fn txn(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    WireBody(transaction): WireBody<WireTransaction>,
) -> Answer<u64> {
    let transaction = Transaction::from(transaction);
    check_write(role, &transaction)?;
    Ok(Json(app.relay.txn(transaction).await?.0))
}

async fn lease(State(app): State<App>, WireBody(seconds): WireBody<u64>) -> Answer<u64> {
    Ok(Json(app.relay.lease(Duration::from_secs(seconds)).await?.0))
}

async fn keep_alive(State(app): State<App>, WireBody(lease): WireBody<u64>) -> Answer<()> {
    Ok(Json(app.relay.keep_alive(LeaseId(lease)).await?))
}

async fn revoke(State(app): State<App>, WireBody(lease): WireBody<u64>) -> Answer<()> {
    Ok(Json(app.relay.revoke(LeaseId(lease)).await?))
}

async fn compact(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    WireBody(revision): WireBody<u64>,
) -> Answer<()> {
    if role != Role::Admin {
        return Err(StoreError::Foreign("a node may not compact the store".to_owned()).into());
    }
    Ok(Json(app.relay.compact(Revision(revision)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdatesQuery {
    prefix: String,
    after: u64,
}

/// Lines of JSON until the client goes, the server stops or the store ends it.
async fn updates(
    State(app): State<App>,
    Extension(role): Extension<Role>,
    QueryOf(query): QueryOf<UpdatesQuery>,
) -> Result<Response, SyncError> {
    check_read(role, &query.prefix)?;
    let updates = app.relay.updates(&query.prefix, Revision(query.after)).await?;
    let lines = updates.map(|update| {
        let mut line = serde_json::to_vec(&WireUpdate::from(update))?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    let lines = lines.take_until(app.stopping.clone().cancelled_owned());
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_reads_what_is_declared_and_writes_of_nodes_alone() {
        for (key, read, write) in [
            (keyspace::SEAL, true, false),
            ("/switchyard/v1/desired/strategies/a", true, false),
            ("/switchyard/v1/status/node-1", true, true),
            ("/switchyard/v1/nodes/node-1", true, true),
            ("/switchyard/v1/trust/admin-token", false, false),
            (keyspace::SERVER_KEY, true, false),
            (keyspace::LEADER, true, false),
            ("/switchyard/v1/", false, false),
            ("/", false, false),
        ] {
            let put = Transaction { preconditions: Vec::new(), operations: vec![Operation::put(key, "x")] };
            let condition = Transaction {
                preconditions: vec![(key.to_owned(), switchyard_store::Precondition::Absent)],
                operations: Vec::new(),
            };
            assert_eq!(check_read(Role::Node, key).is_ok(), read, "{key}");
            assert_eq!(check_write(Role::Node, &put).is_ok(), write, "{key}");
            assert_eq!(check_write(Role::Node, &condition).is_ok(), write, "{key}");
            assert!(check_read(Role::Admin, key).is_ok() && check_write(Role::Admin, &put).is_ok());
        }
    }
}
