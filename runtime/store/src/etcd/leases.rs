use std::time::Duration;

use super::{connections::Connections, errors::Failure, transactions::refused};
use crate::{LeaseId, StoreError};

/// A new lease; etcd chooses its number. A short one lives a little longer than asked for: etcd does not end any before it
/// could have found another leader.
pub(super) async fn grant(connections: &Connections, ttl: Duration) -> Result<LeaseId, StoreError> {
    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    match connections.ask(|member| async move { member.lease().grant(seconds, None).await }).await {
        Ok(answer) => Ok(LeaseId(u64::try_from(answer.id()).unwrap_or(0))),
        Err(failure) => Err(refused(connections, failure).await),
    }
}

/// One request, one answer: the stream that the protocol has for them ends with both.
pub(super) async fn keep_alive(connections: &Connections, lease: LeaseId) -> Result<(), StoreError> {
    let number = number_of_lease(lease);
    connections.ask(|member| async move { member.lease().keep_alive(number).await.map(drop) }).await?;
    Ok(())
}

pub(super) async fn revoke(connections: &Connections, lease: LeaseId) -> Result<(), StoreError> {
    let number = number_of_lease(lease);
    match connections.ask(|member| async move { member.lease().revoke(number).await }).await {
        Ok(_) | Err(Failure::NoLease) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// A number that etcd never gives out stays one: no lease has the largest.
pub(super) fn number_of_lease(lease: LeaseId) -> i64 {
    i64::try_from(lease.0).unwrap_or(i64::MAX)
}
