use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ALERTS_MAX, Notice, Phase};
use crate::clock::Clock;

/// Changes that wait for the webhook: all that a book can hold may fire at once. When there are more the oldest goes: what is
/// true now matters more.
const WAITING_MAX: usize = ALERTS_MAX;
/// Changes told in one call.
const BATCH_MAX: usize = 64;

/// A notice with its times on the wall clock, taken when it happened.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    pub(super) notice: Notice,
    pub(super) starts_unix_ms: u64,
    pub(super) ends_unix_ms: Option<u64>,
}

impl Notification {
    pub(super) fn of(notice: &Notice, clock: Clock) -> Self {
        let alert = &notice.change.alert;
        let ended = alert.state == Phase::Resolved;
        Self {
            starts_unix_ms: clock.unix_ms_of(alert.active_since_ms),
            ends_unix_ms: ended.then(|| clock.unix_ms_of(alert.state_since_ms)),
            notice: notice.clone(),
        }
    }

    fn group(&self) -> (&str, bool) {
        let alert = &self.notice.change.alert;
        (&alert.rule, alert.state == Phase::Resolved)
    }
}

/// What the webhook has not been told yet. What it is being told stays until it has been.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    added: Notify,
    pub(super) dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Notification>,
    /// How many have gone before the first that waits.
    gone: u64,
}

/// Changes that are told in one call.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) changes: Vec<Notification>,
    /// How many will have gone when it has.
    end: u64,
}

impl Queue {
    /// Adds what one evaluation changed, so that it can be told in one call.
    pub(super) fn push(&self, notifications: impl IntoIterator<Item = Notification>) {
        let mut waiting = self.waiting.lock();
        waiting.changes.extend(notifications);
        let over = waiting.changes.len().saturating_sub(WAITING_MAX);
        waiting.forget(over);
        drop(waiting);
        if over > 0 {
            tracing::error!(over, "too many changes of alerts wait for the webhook: the oldest are never told");
        }
        self.dropped.fetch_add(over as u64, Ordering::Relaxed);
        self.added.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.lock().changes.len()
    }

    /// Everything that waits, the oldest first.
    pub(super) fn list(&self) -> Vec<Notification> {
        self.waiting.lock().changes.iter().cloned().collect()
    }

    /// The oldest changes of one rule that say the same; waits until there is one.
    pub(super) async fn next(&self) -> Batch {
        loop {
            match self.peek() {
                Some(batch) => return batch,
                None => self.added.notified().await,
            }
        }
    }

    fn peek(&self) -> Option<Batch> {
        let waiting = self.waiting.lock();
        let group = waiting.changes.front()?.group();
        let same = waiting.changes.iter().take(BATCH_MAX).take_while(|other| other.group() == group);
        let changes: Vec<_> = same.cloned().collect();
        Some(Batch { end: waiting.gone + changes.len() as u64, changes })
    }

    /// The batch has been told, or given up.
    pub(super) fn settle(&self, batch: &Batch) {
        let mut waiting = self.waiting.lock();
        // Some of it may have been dropped while it was told.
        let left = batch.end.saturating_sub(waiting.gone);
        waiting.forget(usize::try_from(left).unwrap_or(usize::MAX));
    }
}

impl Waiting {
    fn forget(&mut self, oldest: usize) {
        let oldest = oldest.min(self.changes.len());
        self.changes.drain(..oldest);
        self.gone += oldest as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Series,
        alerting::{Alert, Change, ChangeKind, Severity, Verdict},
    };

    fn notification(rule: &str, number: usize) -> Notification {
        let verdict = Verdict {
            rule: rule.to_owned(),
            series: 1,
            severity: Severity::Error,
            holds: false,
            value: 0.0,
            for_ms: 0,
            reason: String::new(),
            evidence: String::new(),
        };
        let alert = Alert::new(0, 0, &Series::new(number.to_string(), Vec::new()), &verdict);
        let notice = Notice::own(Change { kind: ChangeKind::Fired, alert });
        Notification { notice, starts_unix_ms: 0, ends_unix_ms: None }
    }

    #[test]
    fn it_is_bounded_and_keeps_the_newest() {
        let queue = Queue::default();
        queue.push((0..WAITING_MAX).map(|number| notification("a", number)));
        let told = queue.peek().unwrap();
        (0..5).for_each(|number| queue.push([notification("a", WAITING_MAX + number)]));
        assert_eq!((queue.len(), queue.dropped.load(Ordering::Relaxed)), (WAITING_MAX, 5));
        let metric = |batch: &Batch| batch.changes[0].notice.change.alert.series.metric().to_string();
        let batch = queue.peek().unwrap();
        assert_eq!((batch.changes.len(), metric(&batch)), (BATCH_MAX, "5".to_owned()));
        // What was told has partly been dropped meanwhile: nothing else goes for it.
        queue.settle(&told);
        assert_eq!(metric(&queue.peek().unwrap()), BATCH_MAX.to_string());
    }

    #[test]
    fn a_batch_is_of_one_rule() {
        let queue = Queue::default();
        queue.push(["a", "a", "b", "a"].map(|rule| notification(rule, 0)));
        let lengths = [(); 4].map(|()| {
            let Some(batch) = queue.peek() else { return 0 };
            assert_eq!(queue.peek().unwrap().changes.len(), batch.changes.len(), "it stays until it was told");
            queue.settle(&batch);
            batch.changes.len()
        });
        assert_eq!(lengths, [2, 1, 1, 0]);
    }
}
