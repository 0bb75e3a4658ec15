use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::{
    ConfigStore, LeaseId, Operation, Precondition, Range, Revision, SILENCE_MAX, Snapshot, StoreError, Transaction,
    Update, backoff::delay,
};

/// An office that was won: the key holds what its holder put there, for as long as the lease lives. Whether that is still so
/// nobody can know for certain, so every write in office carries [`Leadership::precondition`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Of the office.
    pub key: String,
    /// That the key was put at. Nobody puts it twice, so it names this term of office and no other.
    pub revision: Revision,
}

impl Leadership {
    /// Holds while this is the term of office: a transaction with it is refused once another one has begun, or none.
    pub fn precondition(&self) -> (String, Precondition) {
        (self.key.clone(), Precondition::At(self.revision))
    }
}

/// Waits until the office is free, and takes it for as long as `lease` lives. Several wait for the same key by following it;
/// nobody asks again and again. What is put there is `candidate`, a JSON object that names it, and with it the lease, as
/// `lease`: so a candidate knows a success that it was never told of from what an earlier lease has left behind.
///
/// A store that does not answer is asked again with growing delays. [`StoreError::LeaseEnded`] ends the campaign, and so
/// does what nobody mends by waiting.
pub async fn campaign(
    store: &dyn ConfigStore,
    key: &str,
    candidate: Bytes,
    lease: LeaseId,
) -> Result<Leadership, StoreError> {
    let candidate = with_lease(&candidate, lease)?;
    let candidacy = Candidacy { store, key, candidate, lease };
    let mut failures = 0;
    loop {
        match candidacy.step().await {
            Ok(Some(revision)) => return Ok(Leadership { key: key.to_owned(), revision }),
            Ok(None) => failures = 0,
            Err(error) if error.is_retryable() || matches!(error, StoreError::Compacted { .. }) => {
                failures += 1;
                let delay = delay(failures);
                tracing::warn!(key, %error, ?delay, "the campaign goes on later");
                tokio::time::sleep(delay).await;
            }
            Err(error) => return Err(error),
        }
    }
}

struct Candidacy<'a> {
    store: &'a dyn ConfigStore,
    key: &'a str,
    candidate: Bytes,
    lease: LeaseId,
}

/// What two campaigns write differs, unless one candidate has begun both with one lease: then either is the same term.
fn with_lease(candidate: &[u8], lease: LeaseId) -> Result<Bytes, StoreError> {
    let invalid = |error: serde_json::Error| StoreError::Invalid(format!("a candidate is a JSON object: {error}"));
    let mut candidate: Map<String, Value> = serde_json::from_slice(candidate).map_err(invalid)?;
    candidate.insert("lease".to_owned(), format!("{:x}", lease.0).into());
    serde_json::to_vec(&candidate).map(Bytes::from).map_err(invalid)
}

/// What a candidate does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Won(Revision),
    Stand,
    Wait(Revision),
}

impl Candidacy<'_> {
    /// Won, or one thing further.
    async fn step(&self) -> Result<Option<Revision>, StoreError> {
        // The key itself is the first of those that begin with it.
        let listed = self.store.list(Range { prefix: self.key, after: None, limit: 1 }).await?;
        match next(&listed, self.key, &self.candidate) {
            Next::Won(revision) => Ok(Some(revision)),
            Next::Stand => self.stand().await,
            Next::Wait(after) => self.wait(after).await.map(|()| None),
        }
    }

    async fn stand(&self) -> Result<Option<Revision>, StoreError> {
        let put = Operation::Put { key: self.key.to_owned(), value: self.candidate.clone(), lease: Some(self.lease) };
        let preconditions = vec![(self.key.to_owned(), Precondition::Absent)];
        match self.store.txn(Transaction { preconditions, operations: vec![put] }).await {
            Ok(revision) => Ok(Some(revision)),
            // Another was faster.
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Until the key is gone, or may be.
    async fn wait(&self, after: Revision) -> Result<(), StoreError> {
        let mut updates = self.store.updates(self.key, after).await?;
        loop {
            let silent = || StoreError::unavailable("the store is silent");
            let update = timeout(SILENCE_MAX, updates.next()).await.map_err(|_| silent())?.ok_or_else(silent)??;
            if let Update::Changed { changes, .. } = update
                && changes.iter().any(|change| change.key == self.key && change.entry.is_none())
            {
                return Ok(());
            }
        }
    }
}

/// What a list means to a candidate. Its own name with its own lease is the outcome of an earlier try that nobody has told it.
fn next(listed: &Snapshot, key: &str, candidate: &Bytes) -> Next {
    match listed.entries.get(key) {
        None => Next::Stand,
        Some(entry) if entry.value == *candidate => Next::Won(entry.revision),
        Some(_) => Next::Wait(listed.revision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Versioned;

    #[test]
    fn a_candidate_knows_its_own_late_success() {
        let of = |lease| with_lease(br#"{"id":"me"}"#, LeaseId(lease)).unwrap();
        let (mine, earlier) = (of(7), of(6));
        assert_eq!(mine, r#"{"id":"me","lease":"7"}"#);
        assert!(with_lease(b"me", LeaseId(7)).is_err());
        let check = |entries: &[(&str, &Bytes)], expected: Next| {
            let entry = |(key, value): &(&str, &Bytes)| {
                ((*key).to_owned(), Versioned { value: (*value).clone(), revision: Revision(5) })
            };
            let listed = Snapshot { revision: Revision(9), entries: entries.iter().map(entry).collect() };
            assert_eq!(next(&listed, "/leader", &mine), expected);
        };
        check(&[], Next::Stand);
        check(&[("/leader/other", &mine)], Next::Stand);
        check(&[("/leader", &"you".into())], Next::Wait(Revision(9)));
        check(&[("/leader", &mine)], Next::Won(Revision(5)));
        // A put of an earlier lease that came late ends with that lease.
        check(&[("/leader", &earlier)], Next::Wait(Revision(9)));
    }
}
