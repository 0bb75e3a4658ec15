use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use switchyard_server::token::Token;
use switchyard_sync::TrustKey;

use super::ServerVerb;
use crate::{
    output::{self, Format},
    table::pairs,
    token::Prepared,
};

/// What is told when the server listens.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    server: String,
    data: PathBuf,
    /// `embedded`, or the members of etcd.
    store: String,
    /// What nodes pin.
    trust: String,
    context: Option<PathBuf>,
    /// Only when it was made just now: it cannot be shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Only when it was made just now: it cannot be shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_token: Option<String>,
}

impl Ready {
    pub(super) fn new(
        server: String,
        verb: &ServerVerb,
        trust: TrustKey,
        admin: Prepared,
        node_token: Option<Token>,
    ) -> Self {
        let store = if verb.etcd.is_empty() { "embedded".to_owned() } else { format!("etcd {}", verb.etcd.join(", ")) };
        Self {
            server,
            data: verb.data.clone(),
            store,
            trust: trust.to_string(),
            context: admin.context,
            token: admin.new,
            node_token: node_token.map(|token| token.as_str().to_owned()),
        }
    }

    pub(super) fn print(&self, format: Format) -> Result<()> {
        output::print(format, self, |ready| Ok(ready.show()))
    }

    fn show(&self) -> String {
        let mut lines = vec![
            ("server", self.server.clone()),
            ("data", self.data.display().to_string()),
            ("store", self.store.clone()),
            ("trust", self.trust.clone()),
        ];
        lines.extend(self.context.as_ref().map(|path| ("context", path.display().to_string())));
        let once = |token: &String| format!("{token} (shown this once)");
        lines.extend(self.token.as_ref().map(|token| ("token", once(token))));
        lines.extend(self.node_token.as_ref().map(|token| ("node token", once(token))));
        pairs(&lines)
    }
}
