use std::sync::Arc;

use switchyard_host::canonical;
use switchyard_store::{ConfigStore, Operation, Precondition, Revision, StoreError, Transaction, keyspace};
use switchyard_types::{
    Generation, Page, PluginManifest, Stage, StrategyDocument, StrategyKind, StrategyName, StrategyStatus,
};
use tokio::sync::Mutex;

use crate::{
    documents::{self, Stored},
    paging::PageRequest,
    problem::Problem,
    registry::Registry,
    workshop::Workshop,
};

/// Another server may write the generation between our read and our write; this often in a row is an odd store.
const ATTEMPTS_MAX: usize = 16;
/// Labels of a document, and of its selector.
const LABELS_MAX: usize = 64;
/// Strategies at once. Every node watches all of them.
const STRATEGIES_MAX: usize = 10_000;

/// Whether there must be something to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// The name must be free.
    Create,
    /// Whatever stands there gives way, unless the document says which version.
    Apply,
}

/// What a declaration led to.
#[derive(Debug)]
pub(crate) enum Declared {
    /// There was no strategy of this name.
    Created(StrategyDocument),
    /// There was one, and it is now this, or was this already.
    Replaced(StrategyDocument),
}

/// The declared strategies.
pub(crate) struct Declarations {
    store: Arc<dyn ConfigStore>,
    registry: Arc<Registry>,
    workshop: Arc<Workshop>,
    /// Writers of one server queue here instead of failing each other's preconditions.
    writer: Mutex<()>,
}

/// A change of the desired state that is ready to be written.
struct Change {
    name: StrategyName,
    /// The generation as it was read, which must not have moved.
    read: Option<Stored<Generation>>,
    next: Generation,
    /// The strategy as it was read.
    current: Option<Revision>,
    operation: Operation,
}

impl Declarations {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, registry: Arc<Registry>, workshop: Arc<Workshop>) -> Self {
        Self { store, registry, workshop, writer: Mutex::default() }
    }

    /// Checks a strategy by every stage and declares it.
    pub(crate) async fn apply(
        &self,
        mut document: StrategyDocument,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Declared, Problem> {
        check_shape(&document)?;
        // Early, so that a stale caller need not wait for a self-test to hear of it. The transaction decides.
        check_version(&document, intent, self.find(&document.name).await?.as_ref())?;
        let manifest = self.registry.resolve(&document.spec.plugin).await?;
        check_kind(&document, &manifest)?;
        let limits = document.spec.limits.resolve().map_err(|error| wrong("spec", error))?;
        let configuration = canonical(document.spec.configuration.clone().unwrap_or(manifest.configuration_default));
        self.workshop.try_strategy(manifest.digest, configuration.clone(), limits).await?;

        let generation = Generation::default();
        document.status = Some(StrategyStatus { generation, digest: manifest.digest, configuration });
        let _writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(declared) = self.try_declare(&document, intent, dry_run).await? {
                return Ok(declared);
            }
        }
        Err(contended())
    }

    /// Takes a strategy away; what its slot runs then is another one or the built-in fallback.
    pub(crate) async fn delete(
        &self,
        name: &StrategyName,
        version: Option<u64>,
        dry_run: bool,
    ) -> Result<StrategyDocument, Problem> {
        let _writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let read = documents::read::<Generation>(&*self.store, keyspace::GENERATION).await?;
            let current = self.find(name).await?.ok_or_else(|| unknown(name))?;
            if version.is_some_and(|version| version != current.revision.0) {
                return Err(stale(name, current.revision));
            }
            let document = with_version(current.value, current.revision);
            if dry_run {
                return Ok(document);
            }
            let next = read.as_ref().map(|read| read.value).unwrap_or_default().next();
            let operation = Operation::delete(keyspace::strategy(name));
            let change = Change { name: name.clone(), read, next, current: Some(current.revision), operation };
            if self.write(change).await?.is_some() {
                return Ok(document);
            }
        }
        Err(contended())
    }

    pub(crate) async fn list(&self, request: &PageRequest) -> Result<Page<StrategyDocument>, Problem> {
        let shown = |stored: Stored<_>| with_version(stored.value, stored.revision);
        documents::list(&*self.store, keyspace::STRATEGIES, request, shown).await
    }

    pub(crate) async fn get(&self, name: &StrategyName) -> Result<StrategyDocument, Problem> {
        let found = self.find(name).await?.ok_or_else(|| unknown(name))?;
        Ok(with_version(found.value, found.revision))
    }

    async fn find(&self, name: &StrategyName) -> Result<Option<Stored<StrategyDocument>>, Problem> {
        documents::read(&*self.store, &keyspace::strategy(name)).await
    }

    /// One attempt; none: somebody else wrote meanwhile. The generation is read first and must not move until the write,
    /// so that what is decided here about other strategies still holds then.
    async fn try_declare(
        &self,
        document: &StrategyDocument,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Option<Declared>, Problem> {
        let read = documents::read::<Generation>(&*self.store, keyspace::GENERATION).await?;
        let current = self.find(&document.name).await?;
        check_version(document, intent, current.as_ref())?;
        let mut document = stored_form(document);
        let mut next = read.as_ref().map(|read| read.value).unwrap_or_default();
        match current.as_ref().and_then(|current| unchanged_generation(&document, &current.value)) {
            Some(generation) => set_generation(&mut document, generation),
            None => {
                self.check_others(&document).await?;
                next = next.next();
                set_generation(&mut document, next);
            }
        }
        let same = current.as_ref().is_some_and(|current| current.value == document);
        let present = current.as_ref().map(|current| current.revision);
        if same || dry_run {
            return Ok(Some(declared(document, present, present)));
        }
        let operation = Operation::put(keyspace::strategy(&document.name), documents::encode(&document)?);
        let change = Change { name: document.name.clone(), read, next, current: present, operation };
        let written = self.write(change).await?;
        Ok(written.map(|revision| declared(document, present, Some(revision))))
    }

    async fn check_others(&self, document: &StrategyDocument) -> Result<(), Problem> {
        let others = documents::all::<StrategyDocument>(&*self.store, keyspace::STRATEGIES).await?;
        let others: Vec<_> = others.into_iter().map(|stored| stored.value).collect();
        let is_new = others.iter().all(|other| other.name != document.name);
        if is_new && others.len() >= STRATEGIES_MAX {
            let message = format!("there are {STRATEGIES_MAX} strategies, which is the most: delete some first");
            return Err(Problem::conflict(message));
        }
        match switchyard_plan::conflicts(document, &others) {
            None => Ok(()),
            Some(other) => Err(Problem::conflict(format_args!(
                "{} and {other} both claim the slot {} at priority {}, and a node may match both: give them different \
                 priorities or selectors that exclude each other",
                document.name,
                document.spec.slot(),
                document.spec.priority
            ))),
        }
    }

    /// Writes a strategy and the generation in one transaction; none: one of the two has moved.
    async fn write(&self, change: Change) -> Result<Option<Revision>, Problem> {
        let at = |revision: Option<Revision>| revision.map_or(Precondition::Absent, Precondition::At);
        let transaction = Transaction {
            preconditions: vec![
                (keyspace::GENERATION.to_owned(), at(change.read.map(|read| read.revision))),
                (keyspace::strategy(&change.name), at(change.current)),
            ],
            operations: vec![change.operation, Operation::put(keyspace::GENERATION, documents::encode(&change.next)?)],
        };
        match self.store.txn(transaction).await {
            Ok(revision) => {
                tracing::info!(strategy = %change.name, generation = %change.next, "desired state changed");
                Ok(Some(revision))
            }
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn declared(document: StrategyDocument, before: Option<Revision>, now: Option<Revision>) -> Declared {
    let document = StrategyDocument { resource_version: now.map(|revision| revision.0), ..document };
    if before.is_some() { Declared::Replaced(document) } else { Declared::Created(document) }
}

/// The store's own revision is the version: a copy inside the value would be a second truth.
fn stored_form(document: &StrategyDocument) -> StrategyDocument {
    StrategyDocument { resource_version: None, ..document.clone() }
}

fn with_version(document: StrategyDocument, revision: Revision) -> StrategyDocument {
    StrategyDocument { resource_version: Some(revision.0), ..document }
}

fn set_generation(document: &mut StrategyDocument, generation: Generation) {
    if let Some(status) = &mut document.status {
        status.generation = generation;
    }
}

/// The generation that `candidate` keeps because nodes would run the same as with `current`: it may be worded otherwise
/// (labels, a plugin by digest instead of by version, a default that is spelt out).
fn unchanged_generation(candidate: &StrategyDocument, current: &StrategyDocument) -> Option<Generation> {
    let (new, old) = (candidate.status.as_ref()?, current.status.as_ref()?);
    let (wanted, wants) = (&current.spec, &candidate.spec);
    let same = new.digest == old.digest
        && new.configuration == old.configuration
        && wants.slot() == wanted.slot()
        && wants.selector == wanted.selector
        && wants.priority == wanted.priority
        && wants.limits.resolve() == wanted.limits.resolve();
    same.then_some(old.generation)
}

fn check_shape(document: &StrategyDocument) -> Result<(), Problem> {
    if document.kind != "Strategy" {
        let kind: String = document.kind.chars().take(80).collect();
        return Err(Problem::invalid(format_args!("kind is {kind:?}: expected \"Strategy\"")));
    }
    if document.spec.kind == StrategyKind::Caching && !document.spec.target.is_empty() {
        let message = "a caching strategy decides for a node's whole cache: leave the target out";
        return Err(wrong("spec.target", message));
    }
    for (key, labels) in [("labels", document.labels.len()), ("spec.selector", document.spec.selector.0.len())] {
        if labels > LABELS_MAX {
            return Err(wrong(key, format_args!("it has {labels} labels: at most {LABELS_MAX} are taken")));
        }
    }
    Ok(())
}

fn check_version(
    document: &StrategyDocument,
    intent: Intent,
    current: Option<&Stored<StrategyDocument>>,
) -> Result<(), Problem> {
    let name = &document.name;
    match (current, document.resource_version) {
        (Some(_), _) if intent == Intent::Create => Err(Problem::conflict(format_args!(
            "there is a strategy {name}: replace it with PUT /v1/strategies/{name}, or take another name"
        ))),
        (Some(current), Some(version)) if current.revision.0 != version => Err(stale(name, current.revision)),
        (None, Some(_)) => Err(Problem::conflict(format_args!(
            "the strategy {name} was deleted since it was read: leave resourceVersion out to create it again"
        ))),
        _ => Ok(()),
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

fn wrong(key: &str, reason: impl std::fmt::Display) -> Problem {
    let detail = format!("{key}: {reason}");
    Problem::invalid(&detail).with_details(vec![detail])
}

fn stale(name: &StrategyName, current: Revision) -> Problem {
    Problem::conflict(format_args!(
        "the strategy {name} has changed since it was read: it is at resourceVersion {}; read it again and repeat",
        current.0
    ))
}

fn unknown(name: &StrategyName) -> Problem {
    Problem::not_found(format_args!("there is no strategy {name}: list them with GET /v1/strategies"))
}

fn contended() -> Problem {
    Problem::conflict(format_args!("others changed strategies {ATTEMPTS_MAX} times meanwhile: try again"))
}
