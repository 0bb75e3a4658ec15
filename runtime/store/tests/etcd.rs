//! The store in an etcd keeps the contract, with one member and with three.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use switchyard_store::{
    ConfigStore, EtcdConfig, EtcdStore,
    contract::Fixture,
    testing::{EtcdCluster, EtcdOptions, EtcdProcess},
};

struct One(EtcdProcess);

impl One {
    /// One that tells bookmarks all the time: between any two updates there may be one.
    async fn start() -> Self {
        let options = EtcdOptions { progress_interval: Some(Duration::from_millis(100)), ..EtcdOptions::default() };
        Self(EtcdProcess::start_with(&options).await)
    }
}

#[async_trait]
impl Fixture for One {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        open(&[self.0.address().to_owned()]).await
    }
}

struct Three(EtcdCluster);

#[async_trait]
impl Fixture for Three {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        open(&self.0.addresses()).await
    }
}

async fn open(endpoints: &[String]) -> Arc<dyn ConfigStore> {
    Arc::new(EtcdStore::connect(EtcdConfig { endpoints: endpoints.to_vec(), user: None }).await.unwrap())
}

mod one_member {
    use super::*;

    switchyard_store::contract_suite!(One::start().await);
}

mod three_members {
    use super::*;

    switchyard_store::contract_suite!(Three(EtcdCluster::start(3).await));
}
