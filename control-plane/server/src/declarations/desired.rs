use std::sync::Arc;

use switchyard_store::{ConfigStore, Operation, Precondition, Revision, StoreError, Transaction, keyspace};
use switchyard_types::{Generation, Page};
use tokio::sync::Mutex;

use super::{
    Declared, Intent,
    kind::{DocumentOf, Kind},
};
use crate::{
    documents::{self, Stored},
    paging::PageRequest,
    problem::Problem,
};

/// Another server may write the generation between our read and our write; this often in a row is an odd store.
const ATTEMPTS_MAX: usize = 16;

/// The desired state of the fleet, document by document.
pub(crate) struct Desired {
    store: Arc<dyn ConfigStore>,
    /// Writers of one server queue here instead of failing each other's preconditions.
    writer: Mutex<()>,
}

/// A change of the desired state that is ready to be written.
struct Change {
    /// For people.
    what: String,
    key: String,
    /// The generation as it was read, which must not have moved.
    read: Option<Stored<Generation>>,
    next: Generation,
    /// The document as it was read.
    current: Option<Revision>,
    operation: Operation,
}

impl Desired {
    pub(crate) fn new(store: Arc<dyn ConfigStore>) -> Self {
        Self { store, writer: Mutex::default() }
    }

    /// Declares what was checked already, but for its version and what else is declared.
    pub(super) async fn declare<K: Kind>(
        &self,
        document: &DocumentOf<K>,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Declared<DocumentOf<K>>, Problem> {
        let _writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(declared) = self.try_declare::<K>(document, intent, dry_run).await? {
                return Ok(declared);
            }
        }
        Err(contended::<K>())
    }

    /// Takes a document away.
    pub(crate) async fn delete<K: Kind>(
        &self,
        name: &K::Name,
        version: Option<u64>,
        dry_run: bool,
    ) -> Result<DocumentOf<K>, Problem> {
        let _writer = self.writer.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let read = documents::read::<Generation>(&*self.store, keyspace::GENERATION).await?;
            let current = self.find::<K>(name).await?.ok_or_else(|| unknown::<K>(name))?;
            if version.is_some_and(|version| version != current.revision.0) {
                return Err(stale::<K>(name, current.revision));
            }
            let document = with_version::<K>(current.value, current.revision);
            if dry_run {
                return Ok(document);
            }
            let next = read.as_ref().map(|read| read.value).unwrap_or_default().next();
            let (what, key) = (format!("{} {name}", K::WORD), K::key(name));
            let operation = Operation::delete(key.clone());
            let change = Change { what, key, read, next, current: Some(current.revision), operation };
            if self.write(change).await?.is_some() {
                return Ok(document);
            }
        }
        Err(contended::<K>())
    }

    pub(crate) async fn list<K: Kind>(&self, request: &PageRequest) -> Result<Page<DocumentOf<K>>, Problem> {
        let shown = |stored: Stored<_>| with_version::<K>(stored.value, stored.revision);
        documents::list(&*self.store, K::PREFIX, request, shown).await
    }

    pub(crate) async fn get<K: Kind>(&self, name: &K::Name) -> Result<DocumentOf<K>, Problem> {
        let found = self.find::<K>(name).await?.ok_or_else(|| unknown::<K>(name))?;
        Ok(with_version::<K>(found.value, found.revision))
    }

    /// Whether the document may take the place of what stands there now.
    pub(super) async fn check_version<K: Kind>(&self, document: &DocumentOf<K>, intent: Intent) -> Result<(), Problem> {
        check_version::<K>(document, intent, self.find::<K>(&document.name).await?.as_ref())
    }

    async fn find<K: Kind>(&self, name: &K::Name) -> Result<Option<Stored<DocumentOf<K>>>, Problem> {
        documents::read(&*self.store, &K::key(name)).await
    }

    /// One attempt; none: somebody else wrote meanwhile. The generation is read first and must not move until the write,
    /// so that what is decided here about other documents still holds then.
    async fn try_declare<K: Kind>(
        &self,
        document: &DocumentOf<K>,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Option<Declared<DocumentOf<K>>>, Problem> {
        let read = documents::read::<Generation>(&*self.store, keyspace::GENERATION).await?;
        let current = self.find::<K>(&document.name).await?;
        check_version::<K>(document, intent, current.as_ref())?;
        let mut document = stored_form::<K>(document);
        let mut next = read.as_ref().map(|read| read.value).unwrap_or_default();
        match current.as_ref().and_then(|current| K::unchanged_generation(&document, &current.value)) {
            Some(generation) => set_generation::<K>(&mut document, generation),
            None => {
                self.check_others::<K>(&document).await?;
                next = next.next();
                set_generation::<K>(&mut document, next);
            }
        }
        let same = current.as_ref().is_some_and(|current| current.value == document);
        let present = current.as_ref().map(|current| current.revision);
        if same || dry_run {
            return Ok(Some(declared::<K>(document, present, present)));
        }
        let (what, key) = (format!("{} {}", K::WORD, document.name), K::key(&document.name));
        let operation = Operation::put(key.clone(), documents::encode(&document)?);
        let written = self.write(Change { what, key, read, next, current: present, operation }).await?;
        Ok(written.map(|revision| declared::<K>(document, present, Some(revision))))
    }

    async fn check_others<K: Kind>(&self, document: &DocumentOf<K>) -> Result<(), Problem> {
        let others = documents::all::<DocumentOf<K>>(&*self.store, K::PREFIX).await?;
        let others: Vec<_> = others.into_iter().map(|stored| stored.value).collect();
        let is_new = others.iter().all(|other| other.name != document.name);
        if is_new && others.len() >= K::COUNT_MAX {
            let (most, words) = (K::COUNT_MAX, K::WORDS);
            let message = format!("there are {most} {words}, which is the most: delete some first");
            return Err(Problem::conflict(message));
        }
        K::check_others(document, &others)
    }

    /// Writes a document and the generation in one transaction; none: one of the two has moved.
    async fn write(&self, change: Change) -> Result<Option<Revision>, Problem> {
        let at = |revision: Option<Revision>| revision.map_or(Precondition::Absent, Precondition::At);
        let transaction = Transaction {
            preconditions: vec![
                (keyspace::GENERATION.to_owned(), at(change.read.map(|read| read.revision))),
                (change.key, at(change.current)),
            ],
            operations: vec![change.operation, Operation::put(keyspace::GENERATION, documents::encode(&change.next)?)],
        };
        match self.store.txn(transaction).await {
            Ok(revision) => {
                tracing::info!(what = change.what, generation = %change.next, "desired state changed");
                Ok(Some(revision))
            }
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn declared<K: Kind>(
    document: DocumentOf<K>,
    before: Option<Revision>,
    now: Option<Revision>,
) -> Declared<DocumentOf<K>> {
    let document = DocumentOf::<K> { resource_version: now.map(|revision| revision.0), ..document };
    if before.is_some() { Declared::Replaced(document) } else { Declared::Created(document) }
}

/// The store's own revision is the version: a copy inside the value would be a second truth.
fn stored_form<K: Kind>(document: &DocumentOf<K>) -> DocumentOf<K> {
    DocumentOf::<K> { resource_version: None, ..document.clone() }
}

fn with_version<K: Kind>(document: DocumentOf<K>, revision: Revision) -> DocumentOf<K> {
    DocumentOf::<K> { resource_version: Some(revision.0), ..document }
}

fn set_generation<K: Kind>(document: &mut DocumentOf<K>, generation: Generation) {
    if let Some(status) = &mut document.status {
        K::set_generation(status, generation);
    }
}

fn check_version<K: Kind>(
    document: &DocumentOf<K>,
    intent: Intent,
    current: Option<&Stored<DocumentOf<K>>>,
) -> Result<(), Problem> {
    let (name, word, words) = (&document.name, K::WORD, K::WORDS);
    match (current, document.resource_version) {
        (Some(_), _) if intent == Intent::Create => Err(Problem::conflict(format_args!(
            "there is a {word} {name}: replace it with PUT /v1/{words}/{name}, or take another name"
        ))),
        (Some(current), Some(version)) if current.revision.0 != version => Err(stale::<K>(name, current.revision)),
        (None, Some(_)) => Err(Problem::conflict(format_args!(
            "the {word} {name} was deleted since it was read: leave resourceVersion out to create it again"
        ))),
        _ => Ok(()),
    }
}

fn stale<K: Kind>(name: &K::Name, current: Revision) -> Problem {
    Problem::conflict(format_args!(
        "the {} {name} has changed since it was read: it is at resourceVersion {}; read it again and repeat",
        K::WORD,
        current.0
    ))
}

fn unknown<K: Kind>(name: &K::Name) -> Problem {
    let (word, words) = (K::WORD, K::WORDS);
    Problem::not_found(format_args!("there is no {word} {name}: list them with GET /v1/{words}"))
}

fn contended<K: Kind>() -> Problem {
    Problem::conflict(format_args!("others changed {} {ATTEMPTS_MAX} times meanwhile: try again", K::WORDS))
}
