//! Histories made wrong by hand: each is caught by the guarantee that it breaks, and by no other where that can be.

use futures_util::stream;

use super::{
    Guarantee::{self, Atomic, Bookmarkable, Ordered, Reliable, Resumable, Unique},
    Seen, Truth, check, replay,
};
use crate::{Change, Revision, Snapshot, StoreError, Update, Updates, Versioned};

/// What happened: `a` is put at 2, 3, 6, 8, `b` is put at 3 and deleted at 4, `c` is put at 5. 7 is another prefix's.
async fn truth() -> Truth {
    let mut truth = Truth::new(listed(1, &[]));
    let happened = [2, 3, 4, 5, 6, 8].map(|revision| Ok(update(revision)));
    let mut updates: Updates = Box::pin(stream::iter(happened));
    truth.follow(&mut updates, Revision(8)).await.unwrap();
    truth
}

fn update(revision: u64) -> Update {
    let changes = match revision {
        3 => vec![put("/a", 3), put("/b", 3)],
        4 => vec![gone("/b")],
        5 => vec![put("/c", 5)],
        _ => vec![put("/a", revision)],
    };
    Update::Changed { revision: Revision(revision), changes }
}

fn put(key: &str, revision: u64) -> Change {
    Change { key: key.to_owned(), entry: Some(versioned(revision)) }
}

fn versioned(revision: u64) -> Versioned {
    Versioned { value: revision.to_string().into(), revision: Revision(revision) }
}

fn gone(key: &str) -> Change {
    Change { key: key.to_owned(), entry: None }
}

fn listed(revision: u64, entries: &[(&str, u64)]) -> Snapshot {
    let entries = entries.iter().map(|(key, revision)| ((*key).to_owned(), versioned(*revision))).collect();
    Snapshot { revision: Revision(revision), entries }
}

/// As it happened.
fn changed(revision: u64) -> Seen {
    Seen::Updated(update(revision))
}

/// Otherwise.
fn other(revision: u64, changes: Vec<Change>) -> Seen {
    Seen::Updated(Update::Changed { revision: Revision(revision), changes })
}

fn bookmark(revision: u64) -> Seen {
    Seen::Updated(Update::Progress(Revision(revision)))
}

fn failed() -> Seen {
    Seen::Failed("why".to_owned())
}

/// Begins with a list of nothing at 1.
async fn verify(then: Vec<Seen>, expected: &[Guarantee]) {
    let history = [vec![Seen::Listed(listed(1, &[]))], then].concat();
    let broken = check(&history, &truth().await);
    let guarantees: Vec<Guarantee> = broken.iter().map(|broken| broken.guarantee).collect();
    assert_eq!(guarantees, expected, "{broken:#?}\nin {history:#?}");
}

#[tokio::test]
async fn what_may_be_is_not_accused() {
    let all = [2, 3, 4, 5, 6, 8].map(changed).to_vec();
    verify(vec![], &[]).await;
    verify(all.clone(), &[]).await;
    // Not everything has come yet.
    verify(all[..3].to_vec(), &[]).await;
    let alive = Seen::Updated(Update::Alive);
    let resumed = vec![bookmark(1), changed(2), changed(3), failed(), failed(), alive, changed(4), bookmark(4)];
    verify([resumed, vec![changed(5), changed(6), bookmark(7), bookmark(7), failed(), changed(8)]].concat(), &[]).await;
    // A list in place of what was forgotten meanwhile, and another at the same revision.
    let list = Seen::Listed(listed(5, &[("/a", 3), ("/c", 5)]));
    verify(vec![changed(2), failed(), list.clone(), failed(), list, bookmark(5), changed(6)], &[]).await;
    verify(vec![failed(), Seen::Listed(listed(7, &[("/a", 6), ("/c", 5)])), changed(8)], &[]).await;
}

#[tokio::test]
async fn what_is_out_of_order_is_caught() {
    verify(vec![changed(2), changed(3), changed(5), changed(4), changed(6)], &[Ordered]).await;
    // A list from a member that was behind.
    let list = Seen::Listed(listed(3, &[("/a", 3), ("/b", 3)]));
    verify(vec![changed(2), changed(3), changed(4), failed(), list], &[Ordered]).await;
    verify(vec![changed(2), changed(3), failed(), changed(2), changed(3)], &[Ordered, Unique, Resumable]).await;
}

#[tokio::test]
async fn what_comes_twice_is_caught() {
    verify(vec![changed(2), changed(3), changed(3), changed(4)], &[Unique]).await;
    verify(vec![other(2, vec![put("/a", 2), put("/a", 2)]), changed(3)], &[Unique]).await;
    // The list knew it.
    let list = Seen::Listed(listed(4, &[("/a", 3)]));
    verify(vec![failed(), list, changed(4), changed(5)], &[Unique, Resumable]).await;
}

#[tokio::test]
async fn what_comes_in_parts_is_caught() {
    let (left, right) = (other(3, vec![put("/a", 3)]), other(3, vec![put("/b", 3)]));
    verify(vec![changed(2), left.clone(), right.clone(), changed(4)], &[Atomic]).await;
    verify(vec![changed(2), right, left.clone()], &[Atomic]).await;
    // The other half never comes.
    verify(vec![changed(2), left.clone(), changed(4)], &[Atomic, Reliable]).await;
    verify(vec![changed(2), left], &[Atomic, Reliable]).await;
}

#[tokio::test]
async fn what_is_left_out_is_caught() {
    verify(vec![changed(2), changed(4)], &[Reliable]).await;
    verify(vec![changed(2), changed(3), changed(4), changed(6), bookmark(6), failed(), changed(8)], &[Reliable]).await;
    // A gap is one only within a stream: the next list or stream does not fill it.
    verify(vec![changed(2), changed(4), Seen::Listed(listed(4, &[("/a", 3)]))], &[Reliable]).await;
}

#[tokio::test]
async fn what_did_not_happen_is_caught() {
    verify(vec![changed(2), other(3, vec![put("/a", 2), put("/b", 3)])], &[Reliable]).await;
    verify(vec![changed(2), other(3, vec![put("/a", 3), gone("/b")])], &[Reliable]).await;
    verify(vec![other(2, vec![put("/a", 2), put("/z", 2)])], &[Reliable]).await;
    verify(vec![changed(2), changed(3), changed(4), changed(5), changed(6), changed(7)], &[Reliable]).await;
}

#[tokio::test]
async fn a_list_that_is_not_the_state_is_caught() {
    for entries in [
        // `b` was deleted in the gap; `c` came in the gap; `a` changed in the gap; `z` never was.
        &[("/a", 3), ("/b", 3), ("/c", 5)][..],
        &[("/a", 3)],
        &[("/a", 2), ("/c", 5)],
        &[("/a", 3), ("/c", 5), ("/z", 5)],
    ] {
        verify(vec![changed(2), failed(), Seen::Listed(listed(5, entries))], &[Reliable]).await;
    }
}

#[tokio::test]
async fn a_stream_that_begins_late_is_caught() {
    verify(vec![changed(3)], &[Resumable]).await;
    verify(vec![changed(2), changed(3), failed(), changed(5), changed(6)], &[Resumable]).await;
    let list = Seen::Listed(listed(4, &[("/a", 3)]));
    verify(vec![failed(), list, Seen::Updated(Update::Alive), changed(6)], &[Resumable]).await;
    // After a bookmark it goes on from there.
    let until_six = [2, 3, 4, 5, 6].map(changed).to_vec();
    verify([until_six.clone(), vec![bookmark(7), failed(), changed(8)]].concat(), &[]).await;
    verify([until_six, vec![failed(), changed(6), changed(8)]].concat(), &[Unique, Resumable]).await;
}

#[tokio::test]
async fn a_bookmark_that_is_not_true_is_caught() {
    verify(vec![changed(2), bookmark(3)], &[Bookmarkable]).await;
    verify(vec![changed(2), bookmark(3), changed(3), changed(4)], &[Bookmarkable]).await;
    verify(vec![bookmark(2)], &[Bookmarkable]).await;
    let until_six = [2, 3, 4, 5, 6].map(changed).to_vec();
    verify([until_six.clone(), vec![bookmark(8)]].concat(), &[Bookmarkable]).await;
    // What it promises after the end of the truth can still be broken.
    verify([until_six.clone(), vec![changed(8), bookmark(20), changed(15)]].concat(), &[Bookmarkable]).await;
    // A list from a member that was behind what was promised.
    let list = Seen::Listed(listed(6, &[("/a", 6), ("/c", 5)]));
    verify([until_six, vec![bookmark(7), failed(), list]].concat(), &[Bookmarkable]).await;
}

#[tokio::test]
async fn what_is_not_known_is_not_judged() {
    let mut truth = Truth::new(listed(4, &[("/a", 3)]));
    let mut updates: Updates = Box::pin(stream::iter([Ok(update(5))]));
    truth.follow(&mut updates, Revision(5)).await.unwrap();
    let before = [Seen::Listed(listed(2, &[])), changed(3), changed(4), changed(5), changed(9), changed(11)];
    assert_eq!(check(&before, &truth), []);
    let missing = [Seen::Listed(listed(2, &[])), changed(4), changed(9)];
    assert_eq!(check(&missing, &truth).first().map(|broken| broken.guarantee), Some(Reliable));
}

#[tokio::test]
async fn a_truth_that_is_none_is_told() {
    let follow = |updates: Vec<Result<Update, StoreError>>| async {
        let mut updates: Updates = Box::pin(stream::iter(updates));
        Truth::new(listed(1, &[])).follow(&mut updates, Revision(8)).await.unwrap_err().to_string()
    };
    let said = follow(vec![Ok(update(2)), Ok(update(3))]).await;
    assert_eq!(said, "the store has told what happened up to 3 and no further");
    assert_eq!(follow(vec![Ok(update(3)), Ok(update(2))]).await, "the store has told revision 2 after revision 3");
    let said = follow(vec![Err(StoreError::Compacted { after: Revision(1) })]).await;
    assert_eq!(said, "the store does not tell what happened");
}

#[tokio::test]
async fn a_history_leads_to_the_state() {
    let truth = truth().await;
    let list = Seen::Listed(listed(5, &[("/a", 3), ("/c", 5)]));
    let history = [Seen::Listed(listed(1, &[])), changed(2), failed(), list, changed(6), changed(8)];
    let mirror = replay(&history).unwrap();
    assert_eq!(mirror.snapshot().entries, truth.at(Revision(8)).unwrap());
    assert_eq!(truth.transactions().count(), 6);
    assert!(replay(&[changed(3), changed(2)]).is_err());
}
