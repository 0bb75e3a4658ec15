//! What every [`ConfigStore`] promises, as tests that each implementation runs: [`contract_suite!`](crate::contract_suite)
//! makes them from a [`Fixture`]. It is part of the library because implementations live in more than one crate.
//!
//! A broken promise is a failed assertion, hence the panics here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod lists;
mod transactions;
mod watches;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{ConfigStore, Operation, Precondition, Range, Revision, Snapshot, StoreError, Transaction};

pub use lists::*;
pub use transactions::*;
pub use watches::*;

/// A condition that does not come within this is taken for lost. Generous: machines that test are busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where the suite gets the store under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the store; called again when every earlier handle is gone, and then what was written is there.
    async fn open(&self) -> Arc<dyn ConfigStore>;
}

/// One test for each promise; the argument makes a fresh [`Fixture`].
#[macro_export]
macro_rules! contract_suite {
    ($fixture:expr) => {
        $crate::contract_suite!(@tests $fixture;
            values_have_versions, deleted_keys_are_gone, preconditions_hold_or_nothing_happens,
            transactions_are_whole, bounds_are_kept, one_creator_wins, concurrent_increments_are_exact,
            everything_is_there_after_reopening, lists_are_ordered_and_bounded,
            pages_are_stable_while_keys_change, the_first_snapshot_is_there_at_once,
            a_watch_sees_its_prefix_alone, snapshots_are_whole_ordered_and_reach_the_end,
            watches_of_one_prefix_agree,
        );
    };
    (@tests $fixture:expr; $($test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::contract::$test(&$fixture).await;
            }
        )*
    };
}

async fn put(store: &dyn ConfigStore, key: &str, value: &str) -> Revision {
    commit(store, vec![], vec![Operation::put(key, value.to_owned())]).await.expect("a put without preconditions")
}

async fn delete(store: &dyn ConfigStore, key: &str) -> Revision {
    commit(store, vec![], vec![Operation::delete(key)]).await.expect("a delete without preconditions")
}

async fn value(store: &dyn ConfigStore, key: &str) -> Option<String> {
    let found = store.get(key).await.expect("a key can be read")?;
    Some(String::from_utf8(found.value.to_vec()).expect("the suite writes text"))
}

async fn commit(
    store: &dyn ConfigStore,
    preconditions: Vec<(&str, Precondition)>,
    operations: Vec<Operation>,
) -> Result<Revision, StoreError> {
    let preconditions = preconditions.into_iter().map(|(key, holds)| (key.to_owned(), holds)).collect();
    store.txn(Transaction { preconditions, operations }).await
}

async fn list(store: &dyn ConfigStore, prefix: &str, after: Option<&str>, limit: usize) -> Snapshot {
    store.list(Range { prefix, after, limit }).await.expect("a range can be listed")
}
