//! What every [`ConfigStore`] promises, as tests that each implementation runs: [`contract_suite!`](crate::contract_suite)
//! makes them from a [`Fixture`]. It is part of the library because implementations live in more than one crate.
//!
//! A broken promise is a failed assertion, hence the panics here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod elections;
mod leases;
mod lists;
mod transactions;
mod updates;
mod watches;

use std::sync::Arc;

use async_trait::async_trait;

use tokio::time::timeout;

use crate::{
    ConfigStore, Operation, Precondition, Range, Revision, Snapshot, SnapshotWatch, StoreError, Transaction,
    testing::DEADLINE,
};

pub use elections::*;
pub use leases::*;
pub use lists::*;
pub use transactions::*;
pub use updates::*;
pub use watches::*;

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
            pages_are_stable_while_keys_change, the_first_snapshot_is_what_is_there,
            a_watch_sees_its_prefix_alone, snapshots_are_whole_ordered_and_reach_the_end,
            watches_of_one_prefix_agree, updates_resume_after_any_revision,
            updates_are_whole_ordered_and_complete, revisions_that_are_not_known_are_told,
            a_silent_prefix_shows_that_the_store_lives, a_lease_ends_with_its_keys,
            a_lease_that_is_kept_alive_goes_on, revoking_takes_all_keys_at_once,
            a_key_is_bound_as_it_was_put_last, lives_of_leases_are_bounded, a_keeper_holds_a_lease,
            one_candidate_leads_at_a_time, a_leader_that_is_gone_is_followed,
            an_office_is_known_by_its_lease, a_candidate_needs_a_lease,
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

async fn next(watch: &mut SnapshotWatch) -> Arc<Snapshot> {
    timeout(DEADLINE, watch.next()).await.expect("a snapshot comes")
}
