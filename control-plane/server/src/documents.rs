use serde::{Serialize, de::DeserializeOwned};
use switchyard_store::{ConfigStore, LIST_ENTRIES_MAX, Range, Revision, Versioned};
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

/// Part of the values under a prefix as callers see them, in the order of their keys.
pub(crate) async fn list<T: DeserializeOwned, U>(
    store: &dyn ConfigStore,
    prefix: &str,
    request: &PageRequest,
    shown: impl Fn(Stored<T>) -> U,
) -> Result<Page<U>, Problem> {
    let Page { items, continue_token } = page(store, prefix, request).await?;
    Ok(Page { items: items.into_iter().map(shown).collect(), continue_token })
}

async fn page<T: DeserializeOwned>(
    store: &dyn ConfigStore,
    prefix: &str,
    request: &PageRequest,
) -> Result<Page<Stored<T>>, Problem> {
    let after = request.after.as_ref().map(|after| format!("{prefix}{after}"));
    // One more than is wanted tells whether this is the last page.
    let range = Range { prefix, after: after.as_deref(), limit: request.limit + 1 };
    let mut entries = store.list(range).await?.entries;
    let mut continue_token = None;
    if entries.len() > request.limit {
        entries.pop_last();
        let last = entries.keys().next_back().and_then(|key| key.strip_prefix(prefix));
        continue_token = last.map(paging::encode);
    }
    let items = entries.iter().map(|(key, entry)| decode(key, entry)).collect::<Result<_, _>>()?;
    Ok(Page { items, continue_token })
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
fn decode<T: DeserializeOwned>(key: &str, entry: &Versioned) -> Result<Stored<T>, Problem> {
    let value = serde_json::from_slice(&entry.value)
        .map_err(|error| Problem::internal(format!("the stored value of {key} cannot be read: {error}")))?;
    Ok(Stored { value, revision: entry.revision })
}
