use std::sync::Arc;

use switchyard_host::canonical;
use switchyard_store::keyspace;
use switchyard_types::{
    Generation, PluginManifest, Stage, StrategyDocument, StrategyKind, StrategyName, StrategySpec, StrategyStatus,
};

use super::{
    Declared, Desired, Intent,
    kind::{Kind, check_head, wrong},
};
use crate::{problem::Problem, registry::Registry, workshop::Workshop};

/// Declares strategies: what is accepted here has been compiled, configured and tried.
pub(crate) struct Strategies {
    desired: Arc<Desired>,
    registry: Arc<Registry>,
    workshop: Arc<Workshop>,
}

impl Strategies {
    pub(crate) fn new(desired: Arc<Desired>, registry: Arc<Registry>, workshop: Arc<Workshop>) -> Self {
        Self { desired, registry, workshop }
    }

    /// Checks a strategy by every stage and declares it.
    pub(crate) async fn apply(
        &self,
        mut document: StrategyDocument,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Declared<StrategyDocument>, Problem> {
        check_shape(&document)?;
        // Early, so that a stale caller need not wait for a self-test to hear of it. The transaction decides.
        self.desired.check_version::<Self>(&document, intent).await?;
        let manifest = self.registry.resolve(&document.spec.plugin).await?;
        check_kind(&document, &manifest)?;
        let limits = document.spec.limits.resolve().map_err(|error| wrong("spec", error))?;
        let configuration = canonical(document.spec.configuration.clone().unwrap_or(manifest.configuration_default));
        self.workshop.try_strategy(manifest.digest, configuration.clone(), limits).await?;
        let generation = Generation::default();
        document.status = Some(StrategyStatus::new(generation, manifest.digest, configuration));
        self.desired.declare::<Self>(&document, intent, dry_run).await
    }
}

impl Kind for Strategies {
    type Name = StrategyName;
    type Spec = StrategySpec;
    type Status = StrategyStatus;

    const KIND: &'static str = "Strategy";
    const WORD: &'static str = "strategy";
    const WORDS: &'static str = "strategies";
    const PREFIX: &'static str = keyspace::STRATEGIES;
    const COUNT_MAX: usize = 10_000;

    fn key(name: &StrategyName) -> String {
        keyspace::strategy(name)
    }

    fn set_generation(status: &mut StrategyStatus, generation: Generation) {
        status.generation = generation;
    }

    /// It may be worded otherwise: labels, a plugin by digest instead of by version, a default that is spelt out.
    fn unchanged_generation(candidate: &StrategyDocument, current: &StrategyDocument) -> Option<Generation> {
        let (new, old) = (candidate.status.as_ref()?, current.status.as_ref()?);
        let (wanted, wants) = (&current.spec, &candidate.spec);
        let same = new.digest == old.digest
            && new.configuration == old.configuration
            && wants.slot() == wanted.slot()
            && wants.selector == wanted.selector
            && wants.cohort == wanted.cohort
            && wants.priority == wanted.priority
            && wants.limits.resolve() == wanted.limits.resolve();
        same.then_some(old.generation)
    }

    fn check_others(candidate: &StrategyDocument, others: &[StrategyDocument]) -> Result<(), Problem> {
        match switchyard_plan::conflicts(candidate, others) {
            None => Ok(()),
            Some(other) => Err(Problem::conflict(format_args!(
                "{} and {other} both claim the slot {} at priority {}, and a node may match both: give them different \
                 priorities, or selectors or cohorts that exclude each other",
                candidate.name,
                candidate.spec.slot(),
                candidate.spec.priority
            ))),
        }
    }
}

fn check_shape(document: &StrategyDocument) -> Result<(), Problem> {
    check_head::<Strategies>(document, document.spec.selection())?;
    if document.spec.target.is_empty() {
        return Ok(());
    }
    let kind = document.spec.kind;
    let message = format_args!("a {kind} strategy decides for a node's whole {}: leave the target out", whole(kind));
    Err(wrong("spec.target", message))
}

/// What a strategy of this kind decides for.
fn whole(kind: StrategyKind) -> &'static str {
    match kind {
        StrategyKind::Alerting => "set of series",
        StrategyKind::Caching => "cache",
        StrategyKind::Routing => "gateway",
        StrategyKind::Scheduling => "task queue",
        StrategyKind::Scoring => "set of measures",
    }
}

fn check_kind(document: &StrategyDocument, manifest: &PluginManifest) -> Result<(), Problem> {
    let kind = document.spec.kind;
    if manifest.kinds.contains(&kind) {
        return Ok(());
    }
    let kinds: Vec<_> = manifest.kinds.iter().map(|kind| kind.as_str()).collect();
    Err(Problem::refused(
        Stage::Link,
        format_args!("the plugin {} decides about {}, not about {kind}", manifest.name, kinds.join(", ")),
    ))
}
