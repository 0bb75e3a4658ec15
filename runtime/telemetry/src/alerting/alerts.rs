use std::sync::{Arc, atomic::Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Alert, AlertBook, AlertRule, AlertState, AlertsFile, Change, Evaluation, ListedAlert, Webhook, WebhookConfig, log,
    queue::{Notification, Queue},
    webhook::WebhookCounters,
};
use crate::{TelemetryError, clock::Clock};

/// The alerts of a node: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Alerts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    book: Mutex<AlertBook>,
    /// None: nobody is told but the log.
    queue: Option<Arc<Queue>>,
    counters: Arc<WebhookCounters>,
    changed: Notify,
}

/// How many alerts there are, and what became of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertFigures {
    /// Seen, but not for long enough.
    pub pending: u64,
    /// Firing now.
    pub firing: u64,
    /// Over, and still kept.
    pub resolved: u64,
    /// Verdicts that had no place.
    pub refused: u64,
    /// Changes that the webhook has taken.
    pub notified: u64,
    /// Changes that it refused, or that it could not be told for too long.
    pub notifications_failed: u64,
    /// Changes that were dropped because too many waited.
    pub notifications_dropped: u64,
    /// Changes that wait.
    pub notifications_waiting: u64,
    /// Calls of the webhook that failed and were repeated.
    pub notification_retries: u64,
}

impl Alerts {
    pub(crate) fn new(clock: Clock, notifies: bool, restored: Vec<Alert>) -> Self {
        let mut book = AlertBook::new();
        restored.into_iter().for_each(|alert| book.restore(alert));
        let queue = notifies.then(|| Arc::new(Queue::default()));
        let (counters, changed) = (Arc::default(), Notify::new());
        Self { shared: Arc::new(Shared { clock, book: Mutex::new(book), queue, counters, changed }) }
    }

    /// Takes in what the strategy of a rule said, tells whoever is to be told, and returns what changed.
    pub fn evaluate(&self, rule: &AlertRule, evaluation: Evaluation<'_>) -> Vec<Change> {
        let now_ms = self.shared.clock.now_ms();
        let changes = self.shared.book.lock().evaluate(now_ms, rule, evaluation);
        self.tell(&changes);
        changes
    }

    /// A rule is no more: its alerts are over.
    pub fn remove_rule(&self, rule: &str) -> Vec<Change> {
        let now_ms = self.shared.clock.now_ms();
        let changes = self.shared.book.lock().remove_rule(now_ms, rule);
        self.tell(&changes);
        changes
    }

    /// Only these rules are left: the alerts of all others are over.
    pub fn retain_rules(&self, keep: impl Fn(&str) -> bool) -> Vec<Change> {
        let now_ms = self.shared.clock.now_ms();
        let changes = self.shared.book.lock().retain_rules(now_ms, keep);
        self.tell(&changes);
        changes
    }

    /// Every alert, firing ones first, then by rule and series.
    pub fn list(&self) -> Vec<Alert> {
        let mut alerts: Vec<_> = self.shared.book.lock().alerts().cloned().collect();
        let key = |alert: &Alert| (alert.state != AlertState::Firing, alert.state);
        alerts.sort_by(|a, b| (key(a), &a.rule, &a.series).cmp(&(key(b), &b.rule, &b.series)));
        alerts
    }

    /// The same with ages.
    pub fn listed(&self) -> Vec<ListedAlert> {
        let now_ms = self.shared.clock.now_ms();
        self.list().into_iter().map(|alert| ListedAlert::of(alert, now_ms)).collect()
    }

    /// Pending and firing alerts of a rule: what a new strategy adopts.
    pub fn active(&self, rule: &str) -> Vec<Alert> {
        self.shared.book.lock().active(rule).cloned().collect()
    }

    /// How many there are.
    pub fn figures(&self) -> AlertFigures {
        let mut figures = AlertFigures::default();
        let book = self.shared.book.lock();
        for alert in book.alerts() {
            match alert.state {
                AlertState::Pending => figures.pending += 1,
                AlertState::Firing => figures.firing += 1,
                AlertState::Resolved => figures.resolved += 1,
            }
        }
        figures.refused = book.refused().full;
        drop(book);
        self.fill(&mut figures);
        figures
    }

    fn fill(&self, figures: &mut AlertFigures) {
        let counters = &self.shared.counters;
        figures.notified = counters.sent.load(Ordering::Relaxed);
        figures.notifications_failed = counters.failed.load(Ordering::Relaxed);
        figures.notification_retries = counters.retries.load(Ordering::Relaxed);
        if let Some(queue) = &self.shared.queue {
            figures.notifications_waiting = queue.len() as u64;
            figures.notifications_dropped = queue.dropped.load(Ordering::Relaxed);
        }
    }

    fn tell(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        changes.iter().for_each(log::write);
        if let Some(queue) = &self.shared.queue {
            queue.push(changes.iter().map(|change| Notification::of(change, self.shared.clock)));
        }
        self.shared.changed.notify_one();
    }

    pub(crate) fn webhook(&self, config: &WebhookConfig) -> Result<Option<Webhook>, TelemetryError> {
        let Some(queue) = &self.shared.queue else { return Ok(None) };
        Webhook::new(config, Arc::clone(queue), Arc::clone(&self.shared.counters)).map(Some)
    }

    /// Waits for a change that is worth saving.
    pub(crate) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    pub(crate) fn save(&self, file: &AlertsFile) {
        let now_ms = self.shared.clock.now_ms();
        let alerts = self.list();
        if let Err(error) = file.save(now_ms, &alerts) {
            tracing::error!(%error, "active alerts cannot be saved: a restart would forget them");
        }
    }
}
