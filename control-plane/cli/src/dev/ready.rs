use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde::Serialize;
use switchyard_node::NodeHandle;
use switchyard_types::NodeId;

use crate::{
    output::{self, Format},
    table::pairs,
    token::Prepared,
};

/// What is told when everything listens.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    server: String,
    /// Of the node's engines, by protocol.
    #[serde(flatten)]
    listeners: BTreeMap<&'static str, SocketAddr>,
    data: PathBuf,
    node: NodeId,
    /// Only when it was made just now: it cannot be shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    context: Option<PathBuf>,
}

impl Ready {
    pub(super) fn new(server: String, data: &Path, node: &NodeHandle, token: Prepared) -> Self {
        Self {
            server,
            listeners: node.listeners().clone(),
            data: data.to_path_buf(),
            node: node.id().clone(),
            token: token.new,
            context: token.context,
        }
    }

    pub(super) fn print(&self, format: Format) -> Result<()> {
        output::print(format, self, |ready| Ok(ready.show()))
    }

    fn show(&self) -> String {
        let mut lines = vec![("server", self.server.clone())];
        lines.extend(self.listeners.iter().map(|(protocol, address)| (*protocol, address.to_string())));
        lines.extend([("data", self.data.display().to_string()), ("node", self.node.to_string())]);
        lines.extend(self.context.as_ref().map(|path| ("context", path.display().to_string())));
        lines.extend(self.token.as_ref().map(|token| ("token", format!("{token} (shown this once)"))));
        pairs(&lines)
    }
}
