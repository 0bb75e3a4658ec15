use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use switchyard_types::{ApiError, Stage as At};

use super::stage::Stage;
use crate::{
    admin::{Answer, caching_strategy},
    fixtures,
};

/// What must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// A plugin that never comes back from `configure`.
    Loop,
    /// A plugin that imports a socket.
    Socket,
    /// A good plugin with a configuration that breaks its schema.
    Configuration,
}

/// How it went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Refusal {
    /// What was tried.
    pub(super) name: &'static str,
    /// Where it should be refused.
    pub(super) expected: At,
    /// Where it was.
    pub(super) stage: Option<At>,
    /// What the server said.
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn is_right(&self) -> bool {
        self.stage == Some(self.expected)
    }
}

impl Bad {
    fn name(self) -> &'static str {
        match self {
            Self::Loop => "bad-loops-in-configure",
            Self::Socket => "bad-imports-a-socket",
            Self::Configuration => "bad-configuration",
        }
    }

    fn expected(self) -> At {
        match self {
            Self::Loop => At::Configure,
            Self::Socket => At::Link,
            Self::Configuration => At::Schema,
        }
    }

    /// Sends it to the server, as anybody could.
    pub(super) async fn push(self, stage: &Stage) -> Result<Refusal> {
        let (at, reason) = match self {
            Self::Loop => read(stage.dev.admin().push(fixtures::loops_in_configure(self.name())?).await?),
            Self::Socket => read(stage.dev.admin().push(fixtures::imports_a_socket(self.name())?).await?),
            Self::Configuration => {
                let plugin = stage.plugin("caching-s3fifo")?;
                let broken = json!({ "small_percent": "a tenth" });
                read(stage.dev.admin().apply(&caching_strategy(self.name(), &plugin.reference, Some(broken))).await?)
            }
        };
        Ok(Refusal { name: self.name(), expected: self.expected(), stage: at, reason })
    }
}

fn read<T>(answer: Answer<T>) -> (Option<At>, String) {
    match answer {
        Answer::Accepted(_) => (None, "it was accepted".to_owned()),
        Answer::Refused(_, ApiError { stage, message, details, .. }) => {
            let details = details.first().filter(|detail| !message.contains(detail.as_str()));
            (stage, details.map_or_else(|| message.clone(), |detail| format!("{message} ({detail})")))
        }
    }
}
