use std::collections::BTreeMap;

use switchyard_store::{Range, Revision, Snapshot, keyspace};
use switchyard_types::{ListedNode, NodeId, NodeRecord, NodeStatus, Page};

use super::Fleet;
use crate::{
    documents::{self, Stored, decode},
    paging::{self, PageRequest},
    problem::Problem,
};

impl Fleet {
    /// Part of the nodes that have ever introduced themselves, with their status where it is there.
    pub(crate) async fn list(&self, request: &PageRequest) -> Result<Page<ListedNode>, Problem> {
        Ok(self.part(request).await?.0)
    }

    /// The same, and the revision after which nothing is in it for certain.
    pub(crate) async fn part(&self, request: &PageRequest) -> Result<(Page<ListedNode>, Revision), Problem> {
        let statuses = self.keys(keyspace::STATUS, request).await?;
        let records = self.keys(keyspace::NODES, request).await?;
        let revision = statuses.revision;
        let mut nodes: BTreeMap<String, ListedNode> = BTreeMap::new();
        for (key, entry) in &records.entries {
            let record: Stored<NodeRecord> = decode(key, entry)?;
            nodes.insert(below(key, keyspace::NODES), ListedNode::unknown(record.value));
        }
        for (key, entry) in &statuses.entries {
            let status: Stored<NodeStatus> = decode(key, entry)?;
            nodes.insert(below(key, keyspace::STATUS), ListedNode::reporting(status.value));
        }
        // Both parts go as far as the page does, so what is over is over in neither.
        let mut continue_token = None;
        while nodes.len() > request.limit {
            nodes.pop_last();
            continue_token = nodes.keys().next_back().map(|last| paging::encode(last));
        }
        let resource_version = Some(revision.0);
        Ok((Page { items: nodes.into_values().collect(), continue_token, resource_version }, revision))
    }

    /// One node.
    pub(crate) async fn node(&self, id: &NodeId) -> Result<ListedNode, Problem> {
        let unknown = || Problem::not_found(format_args!("no node {id} has reported: list them with GET /v1/nodes"));
        self.find(id).await?.ok_or_else(unknown)
    }

    /// One node; none: it has never introduced itself.
    pub(crate) async fn find(&self, id: &NodeId) -> Result<Option<ListedNode>, Problem> {
        if let Some(status) = documents::read(&*self.store, &keyspace::status(id)).await? {
            return Ok(Some(ListedNode::reporting(status.value)));
        }
        let record = documents::read(&*self.store, &keyspace::node(id)).await?;
        Ok(record.map(|record| ListedNode::unknown(record.value)))
    }

    async fn keys(&self, prefix: &str, request: &PageRequest) -> Result<Snapshot, Problem> {
        let after = request.after.as_ref().map(|after| format!("{prefix}{after}"));
        // One more than is wanted tells whether this is the last page.
        Ok(self.store.list(Range { prefix, after: after.as_deref(), limit: request.limit + 1 }).await?)
    }
}

fn below(key: &str, prefix: &str) -> String {
    key.strip_prefix(prefix).unwrap_or(key).to_owned()
}
