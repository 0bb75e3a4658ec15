use std::sync::Arc;

use switchyard_store::{ConfigStore, keyspace};
use switchyard_types::{NodeId, NodeStatus, Page};

use crate::{documents, paging::PageRequest, problem::Problem};

/// What nodes report of themselves.
pub(crate) struct Fleet {
    store: Arc<dyn ConfigStore>,
}

impl Fleet {
    pub(crate) fn new(store: Arc<dyn ConfigStore>) -> Self {
        Self { store }
    }

    pub(crate) async fn list(&self, request: &PageRequest) -> Result<Page<NodeStatus>, Problem> {
        documents::list(&*self.store, keyspace::STATUS, request, |stored| stored.value).await
    }

    pub(crate) async fn node(&self, id: &NodeId) -> Result<NodeStatus, Problem> {
        let found = documents::read(&*self.store, &keyspace::status(id)).await?;
        let unknown = || Problem::not_found(format_args!("no node {id} has reported: list them with GET /v1/nodes"));
        found.map(|stored| stored.value).ok_or_else(unknown)
    }
}
