use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use switchyard_store::{
    ConfigStore, Operation, Precondition, Revision, Snapshot, StoreError, Transaction, Versioned, keyspace,
};
use switchyard_types::Generation;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    ChangeId, KeyError, OpenError, Seal, ServerKey,
    declared::seal,
    seal::{Covers, Told},
};

/// What all documents together may have, in bytes: every node holds them in memory, keeps them on disk, and is sent them whole
/// when it lists.
pub const DECLARED_BYTES_MAX: usize = 8 << 20;
/// Another server may write between our read and our write; this often in a row is an odd store.
const ATTEMPTS_MAX: usize = 16;
/// How long one question to the store may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long it is tried to learn what has become of a change whose answer was lost.
const RESOLVE_MAX: Duration = Duration::from_secs(15);
/// Between two such tries, drawn from the whole: short at first, because a seal remembers so many changes of others only, then
/// doubled up to the longest.
const RESOLVE_WINDOW_FIRST_MS: u64 = 10;
const RESOLVE_WINDOW_LONGEST_MS: u64 = 500;

/// Changes the desired state, one transaction a change. Any server may: the seal is compared at every write, so of two that
/// read the same one a second is refused and reads again.
pub struct DesiredWriter {
    store: Arc<dyn ConfigStore>,
    key: ServerKey,
    /// Writers of one server queue here instead of failing each other's preconditions.
    turn: Mutex<()>,
}

/// What is declared now.
pub struct Present<'a> {
    /// Everything under [`keyspace::DESIRED`].
    pub snapshot: &'a Snapshot,
    /// What a change would be the first to belong to.
    pub next: Generation,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its key.
    pub key: String,
    /// What should stand there; none: nothing.
    pub value: Option<Bytes>,
}

/// What somebody wants after having seen what is declared now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// All is as it should be.
    Leave(T),
    /// This is to be changed, and the generation with it.
    Write(Edit, T),
    /// This is to be changed, and no node would do anything else than before: the generation stays.
    Reword(Edit, T),
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// Whoever decides does not want it.
    #[error("refused")]
    Refused(E),
    /// What is declared was not sealed by this server's key: a change would seal what somebody else wrote.
    #[error("the desired state in the store was not sealed with this server's key: {0}")]
    Seal(#[from] OpenError),
    /// With it, more would be declared than nodes take.
    #[error(
        "all that is declared would be {0} bytes: at most {DECLARED_BYTES_MAX} are taken; remove strategies or routes first"
    )]
    TooLarge(usize),
    /// Others were always faster.
    #[error("others changed the desired state {ATTEMPTS_MAX} times meanwhile")]
    Contended,
    /// The store did not do its part. After [`StoreError::Unavailable`] the change may have been made, or may still be.
    #[error("the store did not take the change")]
    Store(#[from] StoreError),
    /// No random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A transaction that is ready, and what it was computed from.
struct Prepared {
    change: ChangeId,
    transaction: Transaction,
    /// The seal that must still stand; none: there is none.
    seal_at: Option<Revision>,
    before: Option<Seal>,
    key: String,
}

/// What has become of a change.
enum Outcome {
    Made(Revision),
    NotMade,
    /// Neither it nor another has been made.
    Open,
    /// So much has been changed since that nobody knows.
    Lost,
}

/// What is known of a change when the time is over.
#[derive(Debug, thiserror::Error)]
#[error("whether the change was made is not known; {0}")]
struct Unresolved(&'static str, #[source] StoreError);

impl DesiredWriter {
    /// Writes to this store, and seals with this key.
    pub fn new(store: Arc<dyn ConfigStore>, key: ServerKey) -> Self {
        Self { store, key, turn: Mutex::default() }
    }

    /// Asks `decide` what should be changed, given what is declared now, and changes it. It is asked again when somebody else
    /// was faster. The revision is that of the change; none: there was nothing to change.
    ///
    /// An answer that got lost is no reason to fail: the change carries an id that stands in the seal, so that reading it
    /// back tells whether it was made. It is never made twice: it only applies to the seal that it was computed from.
    pub async fn write<T, E>(
        &self,
        mut decide: impl FnMut(Present<'_>) -> Result<Decision<T>, E>,
    ) -> Result<(T, Option<Revision>), WriteError<E>> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = answer(self.store.snapshot(keyspace::DESIRED)).await?;
            let before = self.check(&snapshot)?;
            let now = before.as_ref().map(|seal| seal.generation).unwrap_or_default();
            let next = now.next();
            let (edit, generation, value) =
                match decide(Present { snapshot: &snapshot, next }).map_err(WriteError::Refused)? {
                    Decision::Leave(value) => return Ok((value, None)),
                    Decision::Write(edit, value) => (edit, next, value),
                    Decision::Reword(edit, value) => (edit, now, value),
                };
            let bytes = bytes_after(&snapshot, &edit);
            // What makes it smaller is taken, however much there is.
            if bytes > DECLARED_BYTES_MAX && bytes > bytes_of(&snapshot) {
                return Err(WriteError::TooLarge(bytes));
            }
            let prepared = self.prepare(snapshot, generation, before.as_ref(), edit)?;
            if let Some(revision) = self.commit(&prepared).await? {
                tracing::info!(key = prepared.key, %generation, "desired state changed");
                return Ok((value, Some(revision)));
            }
        }
        Err(WriteError::Contended)
    }

    /// Seals what is declared, under a new epoch: after a restore from a backup nodes that remember newer generations follow
    /// again.
    pub async fn raise_epoch<E>(&self) -> Result<Generation, WriteError<E>> {
        self.raise_epoch_to(0).await
    }

    /// The same, to this epoch at least: where nothing in the store tells what nodes remember.
    pub async fn raise_epoch_to<E>(&self, at_least: u32) -> Result<Generation, WriteError<E>> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let snapshot = answer(self.store.snapshot(keyspace::DESIRED)).await?;
            let before = self.check(&snapshot)?;
            let epoch = before.as_ref().map_or(0, |seal| seal.generation.epoch).saturating_add(1).max(at_least);
            let generation = Generation { epoch, counter: before.as_ref().map_or(0, |seal| seal.generation.counter) };
            let prepared = self.seal(&snapshot, generation, before.as_ref(), Vec::new(), keyspace::SEAL)?;
            if self.commit(&prepared).await?.is_some() {
                return Ok(generation);
            }
        }
        Err(WriteError::Contended)
    }

    /// The seal that stands there. One that does not cover the documents is not replaced by one that does.
    fn check(&self, snapshot: &Snapshot) -> Result<Option<Seal>, OpenError> {
        let Some(seal) = seal(snapshot)? else {
            return if snapshot.entries.is_empty() { Ok(None) } else { Err(OpenError::Unsealed) };
        };
        match seal.covers(snapshot, &self.key.trust()) {
            Covers::Yes => Ok(Some(seal)),
            Covers::OtherDocuments => Err(OpenError::OtherDocuments(seal.generation)),
            Covers::OtherSigner => Err(OpenError::OtherSigner(seal.generation)),
        }
    }

    fn prepare(
        &self,
        mut snapshot: Snapshot,
        generation: Generation,
        before: Option<&Seal>,
        edit: Edit,
    ) -> Result<Prepared, KeyError> {
        let operation = match edit.value {
            Some(value) => {
                let entry = Versioned { value: value.clone(), revision: Revision::default() };
                snapshot.entries.insert(edit.key.clone(), entry);
                Operation::put(&edit.key, value)
            }
            None => {
                snapshot.entries.remove(&edit.key);
                Operation::delete(&edit.key)
            }
        };
        self.seal(&snapshot, generation, before, vec![operation], &edit.key)
    }

    /// One transaction: the operations and the seal over what is there after them.
    fn seal(
        &self,
        after: &Snapshot,
        generation: Generation,
        before: Option<&Seal>,
        mut operations: Vec<Operation>,
        key: &str,
    ) -> Result<Prepared, KeyError> {
        let change = ChangeId::generate()?;
        let seal_at = after.entries.get(keyspace::SEAL).map(|entry| entry.revision);
        let seal = Seal::new(&self.key, generation, after, before.zip(seal_at), change.clone());
        // A seal has no content that could not be written.
        operations.push(Operation::put(keyspace::SEAL, serde_json::to_vec(&seal).unwrap_or_default()));
        let precondition = seal_at.map_or(Precondition::Absent, Precondition::At);
        let preconditions = vec![(keyspace::SEAL.to_owned(), precondition)];
        let transaction = Transaction { preconditions, operations };
        Ok(Prepared { change, transaction, seal_at, before: before.cloned(), key: key.to_owned() })
    }

    /// Its revision; none: it was not made, and another one was.
    async fn commit(&self, prepared: &Prepared) -> Result<Option<Revision>, StoreError> {
        let until = Instant::now() + RESOLVE_MAX;
        let (mut unknown, mut window_ms) = (None, RESOLVE_WINDOW_FIRST_MS);
        loop {
            match (answer(self.store.txn(prepared.transaction.clone())).await, &unknown) {
                (Ok(revision), _) => return Ok(Some(revision)),
                (Err(StoreError::Conflict { .. }), None) => return Ok(None),
                (Err(error @ StoreError::Unavailable(_)), None) => unknown = Some(error),
                (Err(error), None) => return Err(error),
                // After a lost answer no error says anything of the change: our own moves the seal too, and what was sent first
                // may arrive when there is room again. What the store says last is still what its operator must know.
                (Err(StoreError::Conflict { .. } | StoreError::Unavailable(_)), Some(_)) => {}
                (Err(refusal), Some(_)) => unknown = Some(refusal),
            }
            match self.read_back(prepared).await {
                Ok(Outcome::Made(revision)) => return Ok(Some(revision)),
                Ok(Outcome::NotMade) => return Ok(None),
                Ok(Outcome::Lost) => return Err(unresolved("too much has been changed since", unknown)),
                Ok(Outcome::Open) | Err(_) if Instant::now() >= until => {
                    return Err(unresolved("the last that the store said of it follows", unknown));
                }
                // The seal still stands: what was sent may yet apply, and sending it again applies it at most once.
                Ok(Outcome::Open) | Err(_) => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=window_ms))).await;
                    window_ms = (window_ms * 2).min(RESOLVE_WINDOW_LONGEST_MS);
                }
            }
        }
    }

    /// What has become of a change.
    async fn read_back(&self, prepared: &Prepared) -> Result<Outcome, StoreError> {
        let found = answer(self.store.get(keyspace::SEAL)).await?;
        if found.as_ref().map(|entry| entry.revision) == prepared.seal_at {
            return Ok(Outcome::Open);
        }
        let read = |entry: Versioned| Some((serde_json::from_slice::<Seal>(&entry.value).ok()?, entry.revision));
        let Some((seal, at)) = found.and_then(read) else { return Ok(Outcome::Lost) };
        Ok(match seal.tells(at, &prepared.change, prepared.before.as_ref()) {
            Told::MadeAt(revision) => Outcome::Made(revision),
            Told::NotMade => Outcome::NotMade,
            Told::Nothing => Outcome::Lost,
        })
    }
}

fn unresolved(what: &'static str, said: Option<StoreError>) -> StoreError {
    match said {
        Some(said) => StoreError::Unavailable(Box::new(Unresolved(what, said))),
        None => StoreError::Unavailable(what.into()),
    }
}

async fn answer<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(ANSWER_MAX, question).await {
        Ok(answered) => answered,
        Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
    }
}

/// Keys and documents, without their seal.
fn bytes_of(snapshot: &Snapshot) -> usize {
    let documents = snapshot.entries.iter().filter(|(key, _)| *key != keyspace::SEAL);
    documents.map(|(key, entry)| key.len() + entry.value.len()).sum()
}

fn bytes_after(snapshot: &Snapshot, edit: &Edit) -> usize {
    let of = |value: &Bytes| edit.key.len() + value.len();
    let before = snapshot.entries.get(&edit.key).map_or(0, |entry| of(&entry.value));
    bytes_of(snapshot) - before + edit.value.as_ref().map_or(0, of)
}
