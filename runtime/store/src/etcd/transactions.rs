use etcd_client::{
    AlarmAction, AlarmType, Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse, TxnResponse,
};

use super::{
    connections::Connections,
    errors::Failure,
    leases::number_of_lease,
    reads::{number_of, revision_of},
};
use crate::{Operation, Precondition, Revision, StoreError, Transaction, keyspace::FORMAT};

/// Applies a transaction in one request. It is never sent twice: after a failure its outcome may be unknown.
pub(super) async fn commit(connections: &Connections, transaction: &Transaction) -> Result<Revision, StoreError> {
    let request = request(transaction);
    match connections.ask(|member| async move { member.kv().txn(request).await }).await {
        Ok(answer) => outcome(transaction, &answer),
        Err(failure) => Err(refused(connections, failure).await),
    }
}

/// What a refused write means: etcd has one code for "no space" and "too many requests", so it is asked which it is.
pub(super) async fn refused(connections: &Connections, failure: Failure) -> StoreError {
    if !matches!(failure, Failure::Exhausted) {
        return failure.into();
    }
    let alarms = connections
        .ask(|member| async move { member.maintenance().alarm(AlarmAction::Get, AlarmType::Nospace, None).await })
        .await;
    match alarms {
        Ok(alarms) if !alarms.alarms().is_empty() => {
            StoreError::Full("etcd has used up its quota; compact and defragment it, then disarm its alarm".to_owned())
        }
        // Either way nothing was changed, and it may be tried again.
        _ => StoreError::Busy,
    }
}

/// Forgets history before a revision. That this was done before, or that the revision is still to come, is no error.
pub(super) async fn compact(connections: &Connections, revision: Revision) -> Result<(), StoreError> {
    let mut answer = connections.ask(|member| async move { member.kv().get(FORMAT, None).await }).await?;
    let latest = revision_of(answer.take_header().map_or(0, |header| header.revision()));
    let compacted =
        connections.ask(|member| async move { member.kv().compact(number_of(revision.min(latest)), None).await }).await;
    match compacted {
        Ok(_) | Err(Failure::OutOfRange(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// Where the preconditions fail, the same request reads what they were about: the conflict names what stood there when they
/// were checked, not later.
fn request(transaction: &Transaction) -> Txn {
    let preconditions = &transaction.preconditions;
    let compares: Vec<Compare> = preconditions.iter().map(|(key, precondition)| compare(key, *precondition)).collect();
    let found: Vec<TxnOp> = preconditions
        .iter()
        .map(|(key, _)| TxnOp::get(key.as_str(), Some(GetOptions::new().with_keys_only())))
        .collect();
    let operations: Vec<TxnOp> = transaction.operations.iter().map(operation).collect();
    Txn::new().when(compares).and_then(operations).or_else(found)
}

fn compare(key: &str, precondition: Precondition) -> Compare {
    match precondition {
        Precondition::Absent => Compare::create_revision(key, CompareOp::Equal, 0),
        Precondition::Present => Compare::create_revision(key, CompareOp::Greater, 0),
        // Nothing was ever put at revision 0, but etcd finds absent keys there: so ask for what never is.
        Precondition::At(Revision(0)) => Compare::create_revision(key, CompareOp::Less, 0),
        Precondition::At(revision) => Compare::mod_revision(key, CompareOp::Equal, number_of(revision)),
    }
}

fn operation(operation: &Operation) -> TxnOp {
    match operation {
        Operation::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(number_of_lease(lease)));
            TxnOp::put(key.as_str(), value.to_vec(), options)
        }
        Operation::Delete { key } => TxnOp::delete(key.as_str(), None),
    }
}

fn outcome(transaction: &Transaction, answer: &TxnResponse) -> Result<Revision, StoreError> {
    if answer.succeeded() {
        return Ok(revision_of(answer.header().map_or(0, etcd_client::ResponseHeader::revision)));
    }
    let found = answer.op_responses().into_iter().map(|response| match response {
        TxnOpResponse::Get(found) => found.kvs().first().map(|entry| revision_of(entry.mod_revision())),
        _ => None,
    });
    Err(conflict(&transaction.preconditions, found))
}

/// The first precondition that did not hold.
fn conflict(preconditions: &[(String, Precondition)], found: impl Iterator<Item = Option<Revision>>) -> StoreError {
    let failed = preconditions.iter().zip(found).find(|((_, precondition), found)| match precondition {
        Precondition::Absent => found.is_some(),
        Precondition::Present => found.is_none(),
        Precondition::At(revision) => *found != Some(*revision),
    });
    match failed {
        Some(((key, _), found)) => StoreError::Conflict { key: key.clone(), found },
        None => StoreError::unavailable("etcd says that a precondition failed, and shows that all hold"),
    }
}
