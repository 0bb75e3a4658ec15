use std::{collections::VecDeque, sync::Arc};

use crate::blobs::Blobs;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use switchyard_host::{Host, HostError, Plugin};
use switchyard_types::{Digest, ErrorCode, Limits, PluginManifest, Stage};
use tokio::task::spawn_blocking;

use crate::{gate::Gate, problem::Problem, schema::ConfigurationSchema};

/// Plugins compiled or tried at once: each may take a core.
const TRIALS_MAX: usize = 2;
/// Trials that may wait for one of these places.
const TRIALS_WAITING_MAX: usize = 16;
/// Times that one trial is made when the machine gave the plugin no CPU time: that says nothing about the plugin.
const ATTEMPTS_MAX: usize = 3;
/// Plugins that stay loaded between requests, so that declaring a strategy does not compile again.
const LOADED_MAX: usize = 32;

/// A plugin that was compiled, linked and described, and its schema.
pub(crate) struct Tool {
    plugin: Plugin,
    schema: ConfigurationSchema,
}

/// Where plugins and strategies are tried before anybody else sees them.
pub(crate) struct Workshop {
    host: Host,
    blobs: Blobs,
    gate: Gate,
    /// Used last at the back.
    loaded: Mutex<VecDeque<(Digest, Arc<Tool>)>>,
}

impl Workshop {
    pub(crate) fn new(host: Host, blobs: Blobs) -> Self {
        let gate = Gate::new("too many plugins are being tried", TRIALS_MAX, TRIALS_WAITING_MAX);
        Self { host, blobs, gate, loaded: Mutex::default() }
    }

    /// Takes an uploaded plugin through every stage with its default configuration.
    pub(crate) async fn try_plugin(&self, bytes: Bytes) -> Result<Arc<Tool>, Problem> {
        let host = self.host.clone();
        self.blocking(move || {
            let tool = Tool::load(&host, &bytes)?;
            let default = tool.manifest().configuration_default.clone();
            tool.check(&default, "the default configuration breaks the plugin's own schema")?;
            fairly(|| tool.plugin.strategy(&default, Limits::DEFAULT))?;
            Ok(Arc::new(tool))
        })
        .await
    }

    /// Takes a strategy through every stage that it has of its own.
    pub(crate) async fn try_strategy(
        &self,
        digest: Digest,
        configuration: Value,
        limits: Limits,
    ) -> Result<(), Problem> {
        let tool = self.tool(digest).await?;
        self.blocking(move || {
            tool.check(&configuration, "the configuration breaks the plugin's schema")?;
            // The host itself tries again what was starved here.
            tool.plugin.strategy(&configuration, limits)?;
            Ok(())
        })
        .await
    }

    /// Keeps a published plugin loaded; of too many the one that was not used for longest goes.
    pub(crate) fn keep(&self, tool: Arc<Tool>) {
        let mut loaded = self.loaded.lock();
        let digest = tool.manifest().digest;
        loaded.retain(|(known, _)| *known != digest);
        if loaded.len() >= LOADED_MAX {
            loaded.pop_front();
        }
        loaded.push_back((digest, tool));
    }

    /// A published plugin, loaded.
    async fn tool(&self, digest: Digest) -> Result<Arc<Tool>, Problem> {
        if let Some(tool) = self.kept(digest) {
            return Ok(tool);
        }
        let bytes = self.blobs.get(&digest).await.map_err(|problem| match problem.public.code {
            ErrorCode::Busy => problem,
            _ => Problem::internal(problem.public),
        })?;
        let host = self.host.clone();
        let tool = self.blocking(move || Tool::load(&host, &bytes).map(Arc::new)).await?;
        self.keep(Arc::clone(&tool));
        Ok(tool)
    }

    fn kept(&self, digest: Digest) -> Option<Arc<Tool>> {
        let mut loaded = self.loaded.lock();
        let at = loaded.iter().position(|(known, _)| *known == digest)?;
        let entry = loaded.remove(at)?;
        let tool = Arc::clone(&entry.1);
        loaded.push_back(entry);
        Some(tool)
    }

    /// Runs in one of the places. The place is taken until the work is done, also when the caller has gone away.
    async fn blocking<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Problem> + Send + 'static,
    {
        let place = self.gate.enter().await?;
        let work = move || {
            let _place = place;
            work()
        };
        spawn_blocking(work).await.map_err(Problem::internal)?
    }
}

impl Tool {
    fn load(host: &Host, bytes: &[u8]) -> Result<Self, Problem> {
        let plugin = fairly(|| host.load(bytes))?;
        let schema = ConfigurationSchema::compile(&plugin.manifest().configuration_schema)
            .map_err(|reason| Problem::refused(Stage::Schema, reason))?;
        Ok(Self { plugin, schema })
    }

    pub(crate) fn manifest(&self) -> &PluginManifest {
        self.plugin.manifest()
    }

    fn check(&self, configuration: &Value, message: &str) -> Result<(), Problem> {
        let findings = self.schema.findings(configuration);
        match findings.first() {
            None => Ok(()),
            Some(first) => {
                let reason = format!("{message}: {first}");
                Err(Problem::refused(Stage::Schema, reason).with_details(findings))
            }
        }
    }
}

/// Tries again, a few times, what failed for want of CPU time.
fn fairly<T>(mut trial: impl FnMut() -> Result<T, HostError>) -> Result<T, HostError> {
    let mut outcome = trial();
    for _ in 1..ATTEMPTS_MAX {
        if !outcome.as_ref().is_err_and(HostError::is_starved) {
            break;
        }
        outcome = trial();
    }
    outcome
}

#[cfg(test)]
mod tests {
    use switchyard_host::CallError;
    use switchyard_types::Stage;

    use super::*;

    #[test]
    fn only_want_of_cpu_time_is_tried_again_and_not_for_ever() {
        let starved = || HostError::Call { stage: Stage::Configure, source: CallError::Starved { wall_us: 1 } };
        let refused = || HostError::Call { stage: Stage::Configure, source: CallError::Rejected("no".into()) };
        let check = |mut outcomes: Vec<Result<(), HostError>>, expected: Result<(), HostError>, attempts: usize| {
            let before = outcomes.len();
            assert_eq!(fairly(|| outcomes.remove(0)), expected);
            assert_eq!(before - outcomes.len(), attempts);
        };
        check(vec![Ok(()), Err(starved())], Ok(()), 1);
        check(vec![Err(starved()), Ok(())], Ok(()), 2);
        check(vec![Err(refused()), Ok(())], Err(refused()), 1);
        check((0..9).map(|_| Err(starved())).collect(), Err(starved()), ATTEMPTS_MAX);
    }
}
