use std::sync::Arc;

use switchyard_store::{ConfigStore, Revision, Snapshot};
use switchyard_sync::{Decision, DesiredWriter, Edit, Present};
use switchyard_types::{Generation, Page};

use super::{
    Declared, Intent,
    kind::{DocumentOf, Kind},
};
use crate::{
    documents::{self, Stored},
    paging::PageRequest,
    problem::Problem,
};

/// The desired state of the fleet, document by document.
pub(crate) struct Desired {
    store: Arc<dyn ConfigStore>,
    writer: DesiredWriter,
}

/// A document that is declared, and the revision at which its predecessor stood.
type Decided<K> = (DocumentOf<K>, Option<Revision>);

impl Desired {
    pub(crate) fn new(store: Arc<dyn ConfigStore>, writer: DesiredWriter) -> Self {
        Self { store, writer }
    }

    /// Declares what was checked already, but for its version and what else is declared.
    pub(super) async fn declare<K: Kind>(
        &self,
        document: &DocumentOf<K>,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Declared<DocumentOf<K>>, Problem> {
        let decide = |present: Present<'_>| decide_declare::<K>(&present, document, intent, dry_run);
        let ((document, before), now) = self.writer.write(decide).await?;
        Ok(declared::<K>(document, before, now.or(before)))
    }

    /// Takes a document away.
    pub(crate) async fn delete<K: Kind>(
        &self,
        name: &K::Name,
        version: Option<u64>,
        dry_run: bool,
    ) -> Result<DocumentOf<K>, Problem> {
        let decide = |present: Present<'_>| decide_delete::<K>(&present, name, version, dry_run);
        Ok(self.writer.write(decide).await?.0)
    }

    /// Seals what is declared under a new epoch, this one at least.
    pub(crate) async fn raise_epoch(&self, at_least: u32) -> Result<Generation, Problem> {
        Ok(self.writer.raise_epoch_to(at_least).await?)
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
}

fn decide_declare<K: Kind>(
    present: &Present<'_>,
    document: &DocumentOf<K>,
    intent: Intent,
    dry_run: bool,
) -> Result<Decision<Decided<K>>, Problem> {
    let key = K::key(&document.name);
    let current: Option<Stored<DocumentOf<K>>> = documents::find(present.snapshot, &key)?;
    check_version::<K>(document, intent, current.as_ref())?;
    let mut document = stored_form::<K>(document);
    let unchanged = current.as_ref().and_then(|current| K::unchanged_generation(&document, &current.value));
    match unchanged {
        Some(generation) => set_generation::<K>(&mut document, generation),
        None => {
            check_others::<K>(present.snapshot, &document)?;
            set_generation::<K>(&mut document, present.next);
        }
    }
    let same = current.as_ref().is_some_and(|current| current.value == document);
    let before = current.map(|current| current.revision);
    if same || dry_run {
        return Ok(Decision::Leave((document, before)));
    }
    let edit = Edit { key, value: Some(documents::encode(&document)?.into()) };
    let decided = (document, before);
    Ok(if unchanged.is_some() { Decision::Reword(edit, decided) } else { Decision::Write(edit, decided) })
}

fn decide_delete<K: Kind>(
    present: &Present<'_>,
    name: &K::Name,
    version: Option<u64>,
    dry_run: bool,
) -> Result<Decision<DocumentOf<K>>, Problem> {
    let key = K::key(name);
    let current: Stored<DocumentOf<K>> = documents::find(present.snapshot, &key)?.ok_or_else(|| unknown::<K>(name))?;
    if version.is_some_and(|version| version != current.revision.0) {
        return Err(stale::<K>(name, current.revision));
    }
    let document = with_version::<K>(current.value, current.revision);
    Ok(if dry_run { Decision::Leave(document) } else { Decision::Write(Edit { key, value: None }, document) })
}

fn check_others<K: Kind>(snapshot: &Snapshot, document: &DocumentOf<K>) -> Result<(), Problem> {
    let others: Vec<DocumentOf<K>> = documents::below(snapshot, K::PREFIX)?;
    let is_new = others.iter().all(|other| other.name != document.name);
    if is_new && others.len() >= K::COUNT_MAX {
        let (most, words) = (K::COUNT_MAX, K::WORDS);
        let message = format!("there are {most} {words}, which is the most: delete some first");
        return Err(Problem::conflict(message));
    }
    K::check_others(document, &others)
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
