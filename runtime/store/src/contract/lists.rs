use std::collections::BTreeSet;

use super::{Fixture, delete, list, put};
use crate::{LIST_ENTRIES_MAX, Range, StoreError};

/// A list has the keys of its prefix and no others, in their order, from after a key, up to its limit.
pub async fn lists_are_ordered_and_bounded(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for key in ["/lists/b", "/lists/a", "/lists/c/d", "/lists", "/listsa", "/lists0", "/list", "/m"] {
        put(&*store, key, key).await;
    }
    let cases: [(&str, Option<&str>, usize, &[&str]); 8] = [
        ("/lists/", None, 10, &["/lists/a", "/lists/b", "/lists/c/d"]),
        ("/lists/", None, 2, &["/lists/a", "/lists/b"]),
        ("/lists/", Some("/lists/a"), 10, &["/lists/b", "/lists/c/d"]),
        ("/lists/", Some("/lists/aa"), 1, &["/lists/b"]),
        ("/lists/", Some("/lists/c/d"), 10, &[]),
        ("/lists/", Some("/a"), 1, &["/lists/a"]),
        ("/lists/", Some("/z"), 10, &[]),
        ("/nothing/", None, 10, &[]),
    ];
    for (prefix, after, limit, expected) in cases {
        let found = list(&*store, prefix, after, limit).await;
        assert_eq!(found.entries.keys().collect::<Vec<_>>(), expected, "{prefix} after {after:?}, {limit}");
    }
    for limit in [0, LIST_ENTRIES_MAX + 1] {
        let refused = store.list(Range { prefix: "/lists/", after: None, limit }).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{limit}");
    }
}

/// Who reads page by page sees every key that stays exactly once, whatever comes and goes meanwhile.
pub async fn pages_are_stable_while_keys_change(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let stays: Vec<String> = (0..20).map(|n| format!("/pages/{n:02}")).collect();
    for key in &stays {
        put(&*store, key, "x").await;
    }
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    for round in 0..stays.len() {
        let page = list(&*store, "/pages/", after.as_deref(), 3).await;
        let Some(last) = page.entries.keys().next_back() else { break };
        after = Some(last.clone());
        seen.extend(page.entries.into_keys());
        // Some keys before and behind the reader, one of them deleted again, and a value changed.
        put(&*store, &format!("/pages/00-{round:02}"), "new").await;
        put(&*store, &format!("/pages/19-{round:02}"), "new").await;
        delete(&*store, &format!("/pages/19-{:02}", round / 2)).await;
        put(&*store, "/pages/10", "changed").await;
    }
    assert!(seen.is_sorted());
    let unique: BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "{seen:?}");
    assert!(stays.iter().all(|key| unique.contains(key)), "{seen:?}");
}
