use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchyard_plan::{DesiredState, NodeView, plan};
use switchyard_store::{Revision, Snapshot, Versioned};
use switchyard_sync::{OpenError, TrustKey, open};

/// What a node was last told, as a server sealed it: everything that is declared, for all nodes. Kept whole, because the seal
/// is over all of it, and a node that starts with everything else down takes it for what it is, as if a store had told it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Received {
    revision: u64,
    /// By key, as text: documents and their seal are JSON.
    documents: BTreeMap<String, String>,
}

impl Received {
    /// Of what the store holds. What is no text was written by no server, and cannot have been opened.
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let text = |entry: &Versioned| String::from_utf8_lossy(&entry.value).into_owned();
        let documents = snapshot.entries.iter().map(|(key, entry)| (key.clone(), text(entry))).collect();
        Self { revision: snapshot.revision.0, documents }
    }

    /// What this node makes of it, if a trusted server has sealed it.
    pub(crate) fn plan(&self, trust: &TrustKey, node: &NodeView<'_>) -> Result<DesiredState, OpenError> {
        let revision = Revision(self.revision);
        let entry = |text: &String| Versioned { value: text.clone().into(), revision };
        let entries = self.documents.iter().map(|(key, text)| (key.clone(), entry(text))).collect();
        planned(&Snapshot { revision, entries }, trust, node)
    }
}

/// What a node makes of what a store holds, if a trusted server has sealed it.
pub(crate) fn planned(snapshot: &Snapshot, trust: &TrustKey, node: &NodeView<'_>) -> Result<DesiredState, OpenError> {
    let declared = open(snapshot, trust)?;
    Ok(plan(declared.generation, &declared.strategies, &declared.routes, node))
}
