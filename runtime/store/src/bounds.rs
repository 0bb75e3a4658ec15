use std::{collections::BTreeSet, time::Duration};

use crate::{Operation, Range, StoreError, Transaction};

/// Bytes of one key.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of one value: the largest is a plugin's manifest.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Operations of one transaction, and its preconditions: etcd's own default.
pub const OPERATIONS_MAX: usize = 128;
/// Keys and values of one transaction together, in bytes: below etcd's default of 1.5 MiB for a whole request, so that
/// no implementation takes what another one must refuse.
pub const TRANSACTION_BYTES_MAX: usize = 5 << 18;
/// Entries of one list: a reader that wants more continues after the last key.
pub const LIST_ENTRIES_MAX: usize = 1_000;

/// The shortest and the longest life of a lease, in seconds.
pub const LEASE_SECONDS: (u64, u64) = (1, 3_600);

/// The life of a lease in whole seconds, rounded up.
pub(crate) fn check_lease_ttl(ttl: Duration) -> Result<Duration, StoreError> {
    let (least, most) = LEASE_SECONDS;
    let seconds = ttl.as_millis().div_ceil(1_000);
    if (u128::from(least)..=u128::from(most)).contains(&seconds) {
        return Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(most)));
    }
    Err(StoreError::Invalid(format!("the life of a lease is {ttl:?}: expected {least} to {most} s")))
}

/// Whether `key` may be one: printable, `/` first, not too long.
pub(crate) fn check_key(key: &str) -> Result<(), StoreError> {
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.starts_with('/') && key.len() <= KEY_BYTES_MAX && printable {
        return Ok(());
    }
    let shown: String = key.chars().take(80).collect();
    Err(StoreError::Invalid(format!(
        "the key {shown:?} is not valid: expected \"/\" and printable ASCII, at most {KEY_BYTES_MAX} bytes"
    )))
}

/// Whether `range` may be listed.
pub(crate) fn check_range(range: Range<'_>) -> Result<(), StoreError> {
    check_key(range.prefix)?;
    if (1..=LIST_ENTRIES_MAX).contains(&range.limit) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("the limit of a list is {}: expected 1 to {LIST_ENTRIES_MAX}", range.limit)))
}

/// Whether `transaction` keeps every bound, before anything of it is looked at.
pub(crate) fn check_transaction(transaction: &Transaction) -> Result<(), StoreError> {
    for (what, count) in
        [("operations", transaction.operations.len()), ("preconditions", transaction.preconditions.len())]
    {
        if count > OPERATIONS_MAX {
            let message = format!("the transaction has {count} {what}: at most {OPERATIONS_MAX} are taken");
            return Err(StoreError::Invalid(message));
        }
    }
    for (key, _) in &transaction.preconditions {
        check_key(key)?;
    }
    let (mut keys, mut bytes) = (BTreeSet::new(), 0);
    for operation in &transaction.operations {
        bytes += check_operation(operation)?;
        if !keys.insert(operation.key()) {
            return Err(StoreError::Invalid(format!("the key {:?} stands in two operations", operation.key())));
        }
    }
    if bytes > TRANSACTION_BYTES_MAX {
        let message = format!("the transaction has {bytes} bytes: at most {TRANSACTION_BYTES_MAX} are taken");
        return Err(StoreError::Invalid(message));
    }
    Ok(())
}

/// The bytes of an operation that keeps its bounds.
fn check_operation(operation: &Operation) -> Result<usize, StoreError> {
    check_key(operation.key())?;
    let Operation::Put { key, value, .. } = operation else { return Ok(operation.key().len()) };
    if value.len() > VALUE_BYTES_MAX {
        return Err(StoreError::Invalid(format!(
            "the value of {key} has {} bytes: at most {VALUE_BYTES_MAX} are taken",
            value.len()
        )));
    }
    Ok(key.len() + value.len())
}
