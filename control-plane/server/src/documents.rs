use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use switchyard_store::{ConfigStore, LIST_ENTRIES_MAX, Range, Revision, Snapshot, Versioned};
use switchyard_types::Page;

use crate::{
    paging::{self, PageRequest},
    problem::Problem,
};

/// Values in memory while they are counted: each may have a MiB.
const COUNTED_AT_ONCE: usize = 100;

/// A stored value that was read, with the revision that wrote it.
pub(crate) struct Stored<T> {
    pub(crate) value: T,
    pub(crate) revision: Revision,
}

/// One value; none: there is no such key.
pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn ConfigStore,
    key: &str,
) -> Result<Option<Stored<T>>, Problem> {
    store.get(key).await?.map(|entry| decode(key, &entry)).transpose()
}

/// One value of a snapshot; none: there is no such key.
pub(crate) fn find<T: DeserializeOwned>(snapshot: &Snapshot, key: &str) -> Result<Option<Stored<T>>, Problem> {
    snapshot.entries.get(key).map(|entry| decode(key, entry)).transpose()
}

/// Every value of a snapshot under a prefix.
pub(crate) fn below<T: DeserializeOwned>(snapshot: &Snapshot, prefix: &str) -> Result<Vec<T>, Problem> {
    let below = snapshot.entries.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
    below.map(|(key, entry)| decode(key, entry).map(|stored| stored.value)).collect()
}

/// Part of the values under a prefix as callers see them, in the order of their keys.
pub(crate) async fn list<T: DeserializeOwned, U>(
    store: &dyn ConfigStore,
    prefix: &str,
    request: &PageRequest,
    shown: impl Fn(Stored<T>) -> U,
) -> Result<Page<U>, Problem> {
    let Page { items, continue_token, resource_version } = page(store, prefix, request).await?;
    Ok(Page { items: items.into_iter().map(shown).collect(), continue_token, resource_version })
}

/// Part of the entries under a prefix, as they are stored.
pub(crate) struct RawPage {
    pub(crate) entries: BTreeMap<String, Versioned>,
    pub(crate) next: Option<String>,
    /// At which they were read.
    pub(crate) revision: Revision,
}

/// Part of the entries under a prefix, unread.
pub(crate) async fn raw(store: &dyn ConfigStore, prefix: &str, request: &PageRequest) -> Result<RawPage, Problem> {
    let after = request.after.as_ref().map(|after| format!("{prefix}{after}"));
    // One more than is wanted tells whether this is the last page.
    let range = Range { prefix, after: after.as_deref(), limit: request.limit + 1 };
    let Snapshot { mut entries, revision } = store.list(range).await?;
    let mut next = None;
    if entries.len() > request.limit {
        entries.pop_last();
        let last = entries.keys().next_back().and_then(|key| key.strip_prefix(prefix));
        next = last.map(paging::encode);
    }
    Ok(RawPage { entries, next, revision })
}

async fn page<T: DeserializeOwned>(
    store: &dyn ConfigStore,
    prefix: &str,
    request: &PageRequest,
) -> Result<Page<Stored<T>>, Problem> {
    let RawPage { entries, next: continue_token, revision } = raw(store, prefix, request).await?;
    let items = entries.iter().map(|(key, entry)| decode(key, entry)).collect::<Result<_, _>>()?;
    Ok(Page { items, continue_token, resource_version: Some(revision.0) })
}

/// Every value under a prefix.
pub(crate) async fn all<T: DeserializeOwned>(store: &dyn ConfigStore, prefix: &str) -> Result<Vec<Stored<T>>, Problem> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = page(store, prefix, &PageRequest { limit: LIST_ENTRIES_MAX - 1, after }).await?;
        items.extend(page.items);
        match page.continue_token {
            // The token is a key in other letters; decoding what was just written cannot fail.
            Some(token) => after = Some(paging::decode(&token)?),
            None => return Ok(items),
        }
    }
}

/// How many values there are under a prefix.
pub(crate) async fn count(store: &dyn ConfigStore, prefix: &str) -> Result<usize, Problem> {
    let (mut count, mut after) = (0, None);
    loop {
        let range = Range { prefix, after: after.as_deref(), limit: COUNTED_AT_ONCE };
        let entries = store.list(range).await?.entries;
        count += entries.len();
        match entries.last_key_value() {
            Some((last, _)) if entries.len() == COUNTED_AT_ONCE => after = Some(last.clone()),
            _ => return Ok(count),
        }
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(Problem::internal)
}

/// What the store holds was written by this server or one like it: another shape is our fault, not the caller's.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, entry: &Versioned) -> Result<Stored<T>, Problem> {
    let value = serde_json::from_slice(&entry.value)
        .map_err(|error| Problem::internal(format!("the stored value of {key} cannot be read: {error}")))?;
    Ok(Stored { value, revision: entry.revision })
}
