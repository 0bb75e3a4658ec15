use std::collections::BTreeMap;

use switchyard_store::{Change, Versioned, keyspace};
use switchyard_types::{ListedNode, NodeId, NodeRecord, NodeState, NodeStatus};

use super::{
    News, Part, Subject,
    documents::{name, shown},
};
use crate::{
    documents::{Stored, decode},
    http::App,
    paging::PageRequest,
    problem::Problem,
};

/// Nodes: who they are, and what they report. Two keys make one, so all keys are followed by one stream: it tells of a transaction
/// whole, and two of them could not be told apart from two transactions.
#[derive(Default)]
pub(in crate::http) struct Nodes {
    /// Whether each that is known has a status: then its record changes nothing that is shown.
    reporting: BTreeMap<String, bool>,
}

/// What one transaction has made of a node's two keys; none: it left the key alone.
#[derive(Default)]
struct Changes {
    record: Option<Change>,
    status: Option<Change>,
}

impl Subject for Nodes {
    const PREFIX: &'static str = keyspace::ROOT;
    const KEY: &'static str = "node";

    async fn part(&mut self, app: &App, request: &PageRequest) -> Result<Part, Problem> {
        let (page, revision) = app.fleet.part(request).await?;
        let news = page.items.iter().map(|node| self.is(node)).collect::<Result<_, _>>()?;
        Ok(Part { news, next: page.continue_token, revision })
    }

    async fn changed(&mut self, app: &App, changes: Vec<Change>) -> Result<Vec<News>, Problem> {
        let mut nodes: BTreeMap<String, Changes> = BTreeMap::new();
        for change in changes {
            if change.key.starts_with(keyspace::NODES) {
                let node = name(&change.key, keyspace::NODES).to_owned();
                nodes.entry(node).or_default().record = Some(change);
            } else if change.key.starts_with(keyspace::STATUS) {
                let node = name(&change.key, keyspace::STATUS).to_owned();
                nodes.entry(node).or_default().status = Some(change);
            }
        }
        let mut news = Vec::new();
        for (name, changes) in nodes {
            news.extend(self.news(app, name, changes).await?);
        }
        Ok(news)
    }
}

impl Nodes {
    /// What is to be told of a node; none: it is shown as before.
    async fn news(&mut self, app: &App, name: String, changes: Changes) -> Result<Option<News>, Problem> {
        let put = |change: &Option<Change>| {
            change.as_ref().and_then(|change| Some((change.key.clone(), change.entry.clone()?)))
        };
        let found = match (put(&changes.status), put(&changes.record)) {
            (Some((key, entry)), _) => Some(reporting(&key, &entry)?),
            (None, _) if changes.status.is_none() && self.reporting.get(&name) == Some(&true) => return Ok(None),
            // The status has gone in the same transaction, or there was none.
            (None, Some((key, entry))) if changes.status.is_some() || self.reporting.contains_key(&name) => {
                Some(unknown(&key, &entry)?)
            }
            // A status that is gone, or a node of which this watch knows nothing: the rest of it is in the store.
            _ => match name.parse::<NodeId>() {
                Ok(id) => app.fleet.find(&id).await?,
                Err(_) => return Ok(None),
            },
        };
        match found {
            Some(node) => self.is(&node).map(Some),
            None => {
                self.reporting.remove(&name);
                Ok(Some(News::Gone(name)))
            }
        }
    }

    fn is(&mut self, node: &ListedNode) -> Result<News, Problem> {
        let name = node.report.node.to_string();
        self.reporting.insert(name.clone(), node.status == NodeState::Reporting);
        Ok(News::Is(name, shown(node)?))
    }
}

fn reporting(key: &str, entry: &Versioned) -> Result<ListedNode, Problem> {
    let status: Stored<NodeStatus> = decode(key, entry)?;
    Ok(ListedNode::reporting(status.value))
}

fn unknown(key: &str, entry: &Versioned) -> Result<ListedNode, Problem> {
    let record: Stored<NodeRecord> = decode(key, entry)?;
    Ok(ListedNode::unknown(record.value))
}
