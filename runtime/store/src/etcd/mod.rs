//! The store of a fleet: an etcd of one member or more. Nothing outside this folder knows that it is one.
//!
//! The client library is asked for single calls only. It would spread them over all members and would let a watch die
//! unseen, so which member is asked, when it is given up, and what its answers mean is decided here.

mod config;
mod connection;
mod connections;
mod errors;
mod leases;
mod place;
mod reads;
mod transactions;
mod updates;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use config::{EtcdConfig, EtcdUser};
use connections::Connections;

use crate::{
    ConfigStore, LeaseId, Range, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
    bounds::{check_key, check_lease_ttl, check_range, check_transaction},
};

/// The configuration store in an etcd, of version 3.4 or newer. Cloning it gives another handle on the same connection.
#[derive(Clone)]
pub struct EtcdStore(Arc<Connections>);

impl EtcdStore {
    /// Asks nobody anything yet: the first question connects. What goes wrong then is the error of that question, and the
    /// next one tries again. The configuration itself may be [`StoreError::Invalid`].
    pub fn new(config: EtcdConfig) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Connections::new(config)?)))
    }

    /// Connects at once: what answers must be an etcd that this version can use.
    pub async fn connect(config: EtcdConfig) -> Result<Self, StoreError> {
        let store = Self::new(config)?;
        store.0.connection().await?;
        Ok(store)
    }
}

#[async_trait]
impl ConfigStore for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        check_key(key)?;
        reads::get(&self.0, key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        check_range(range)?;
        reads::list(&self.0, range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        check_key(prefix)?;
        reads::list(&self.0, Range { prefix, after: None, limit: usize::MAX }).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        check_transaction(&transaction)?;
        transactions::commit(&self.0, &transaction).await
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        check_key(prefix)?;
        updates::follow(&self.0, prefix, after).await
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        leases::grant(&self.0, check_lease_ttl(ttl)?).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        leases::keep_alive(&self.0, lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        leases::revoke(&self.0, lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        transactions::compact(&self.0, revision).await
    }
}
