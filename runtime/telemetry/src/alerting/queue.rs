use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Notice, Phase};
use crate::clock::Clock;

/// Changes that wait for the webhook. When there are more the oldest goes: what is true now matters more.
const WAITING_MAX: usize = 1_000;
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

/// What the webhook has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Notification>>,
    added: Notify,
    pub(super) dropped: AtomicU64,
}

impl Queue {
    /// Adds what one evaluation changed, so that it can be told in one call.
    pub(super) fn push(&self, notifications: impl IntoIterator<Item = Notification>) {
        let mut waiting = self.waiting.lock();
        waiting.extend(notifications);
        let over = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..over);
        drop(waiting);
        self.dropped.fetch_add(over as u64, Ordering::Relaxed);
        self.added.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    /// The oldest changes of one rule that say the same; waits until there is one.
    pub(super) async fn next(&self) -> Vec<Notification> {
        loop {
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            self.added.notified().await;
        }
    }

    fn take(&self) -> Vec<Notification> {
        let mut waiting = self.waiting.lock();
        let Some(first) = waiting.front() else { return Vec::new() };
        let group = first.group();
        let same = waiting.iter().take(BATCH_MAX).take_while(|other| other.group() == group).count();
        waiting.drain(..same).collect()
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
            value: 0.0,
            for_ms: 0,
            reason: String::new(),
            evidence: String::new(),
        };
        let alert = Alert::new(0, &Series::new(number.to_string(), Vec::new()), &verdict);
        let notice = Notice::own(Change { kind: ChangeKind::Fired, alert });
        Notification { notice, starts_unix_ms: 0, ends_unix_ms: None }
    }

    #[test]
    fn it_is_bounded_and_keeps_the_newest() {
        let queue = Queue::default();
        queue.push((0..WAITING_MAX).map(|number| notification("a", number)));
        (0..5).for_each(|number| queue.push([notification("a", WAITING_MAX + number)]));
        assert_eq!((queue.len(), queue.dropped.load(Ordering::Relaxed)), (WAITING_MAX, 5));
        let batch = queue.take();
        assert_eq!(batch.len(), BATCH_MAX);
        assert_eq!(&**batch[0].notice.change.alert.series.metric(), "5");
    }

    #[test]
    fn a_batch_is_of_one_rule() {
        let queue = Queue::default();
        queue.push(["a", "a", "b", "a"].map(|rule| notification(rule, 0)));
        assert_eq!([queue.take().len(), queue.take().len(), queue.take().len(), queue.take().len()], [2, 1, 1, 0]);
    }
}
