use bytes::Bytes;
use etcd_client::{GetOptions, GetResponse, KeyValue};

use super::{connections::Connections, errors::Failure};
use crate::{Range, Revision, Snapshot, StoreError, Versioned};

/// Entries of a page at first: small values fill it with some 100 KiB.
const PAGE_ENTRIES: usize = 512;
/// A page that is too large for one message is asked for in halves; one of these always fits.
const PAGE_ENTRIES_LEAST: usize = 16;
/// How often a list begins anew because its revision was compacted under it.
const LISTS_MAX: usize = 3;

/// One key. Like every read here it is linearizable: it knows every write that was acknowledged before, by whichever
/// member.
pub(super) async fn get(connections: &Connections, key: &str) -> Result<Option<Versioned>, StoreError> {
    let asked = key.to_owned();
    let mut answer = connections.ask(|member| async move { member.kv().get(asked, None).await }).await?;
    Ok(answer.take_kvs().into_iter().next().map(|entry| versioned(entry).1))
}

/// The entries of a range at one revision, page by page.
pub(super) async fn list(connections: &Connections, range: Range<'_>) -> Result<Snapshot, StoreError> {
    for _ in 0..LISTS_MAX {
        match pages(connections, range).await {
            Err(Failure::OutOfRange(_)) => {}
            Err(other) => return Err(other.into()),
            Ok(snapshot) => return Ok(snapshot),
        }
    }
    Err(StoreError::Busy)
}

async fn pages(connections: &Connections, range: Range<'_>) -> Result<Snapshot, Failure> {
    let end = end_of(range.prefix);
    let mut from = match range.after {
        Some(after) if after >= range.prefix => after_key(after.as_bytes()),
        _ => range.prefix.as_bytes().to_vec(),
    };
    let mut snapshot = Snapshot::default();
    let (mut size, mut asked_for) = (PAGE_ENTRIES, 0);
    loop {
        let limit = size.min(range.limit - asked_for);
        let mut page = match page(connections, &from, &end, limit, snapshot.revision).await {
            Err(Failure::OutOfRange(_)) if size > PAGE_ENTRIES_LEAST => {
                size /= 2;
                continue;
            }
            page => page?,
        };
        // Later pages are read at the revision of the first one.
        if asked_for == 0 {
            snapshot.revision = revision_of(page.header().map_or(0, etcd_client::ResponseHeader::revision));
        }
        let entries = page.take_kvs();
        asked_for += entries.len();
        let last = entries.last().map(|entry| after_key(entry.key()));
        snapshot.entries.extend(entries.into_iter().filter_map(named));
        match last {
            Some(last) if page.more() && asked_for < range.limit => from = last,
            _ => return Ok(snapshot),
        }
    }
}

async fn page(
    connections: &Connections,
    from: &[u8],
    end: &[u8],
    limit: usize,
    at: Revision,
) -> Result<GetResponse, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let options = GetOptions::new().with_range(end).with_limit(limit).with_revision(number_of(at));
    let from = from.to_vec();
    connections.ask(|member| async move { member.kv().get(from, Some(options)).await }).await
}

/// Asks whether history goes on after a revision here, and [`StoreError::Compacted`] where it does not: what came after it
/// is forgotten, or this store never had it. The member that answers has seen everything that any member has acknowledged.
pub(super) async fn check_revision(connections: &Connections, key: &str, after: Revision) -> Result<(), StoreError> {
    let options = GetOptions::new().with_count_only().with_revision(number_of(after));
    let key = key.to_owned();
    match connections.ask(|member| async move { member.kv().get(key, Some(options)).await }).await {
        Ok(_) => Ok(()),
        Err(Failure::OutOfRange(_)) => Err(StoreError::Compacted { after }),
        Err(other) => Err(other.into()),
    }
}

/// A key that is not text was put by somebody else: nobody here can have asked for it, and nobody is told of it.
fn named(entry: KeyValue) -> Option<(String, Versioned)> {
    let (key, value) = versioned(entry);
    String::from_utf8(key).ok().map(|key| (key, value))
}

fn versioned(entry: KeyValue) -> (Vec<u8>, Versioned) {
    let revision = revision_of(entry.mod_revision());
    let (key, value) = entry.into_key_value();
    (key, Versioned { value: Bytes::from(value), revision })
}

/// The first key that does not begin with `prefix` and comes after all that do. Keys are printable ASCII: there is always
/// a greater byte.
pub(super) fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn after_key(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// etcd counts in signed numbers, and never below zero.
pub(super) fn revision_of(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or(0))
}

/// A revision beyond all of etcd's is one that is still to come there, as it should be.
pub(super) fn number_of(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
