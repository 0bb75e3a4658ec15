use std::sync::{Arc, atomic::Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Alert, AlertBook, AlertFigures, AlertsFile, Change, Evaluation, ListedAlert, Notice, Phase, Webhook, WebhookConfig,
    log,
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

impl Alerts {
    pub(crate) fn new(clock: Clock, notifies: bool, silence_ms: u64, restored: Vec<Alert>) -> Self {
        let mut book = AlertBook::new(silence_ms);
        restored.into_iter().for_each(|alert| book.restore(alert));
        let queue = notifies.then(|| Arc::new(Queue::default()));
        let (counters, changed) = (Arc::default(), Notify::new());
        Self { shared: Arc::new(Shared { clock, book: Mutex::new(book), queue, counters, changed }) }
    }

    /// Takes in what the strategy said, and returns what changed. Nobody is told by that.
    pub fn evaluate(&self, evaluation: Evaluation<'_>) -> Vec<Change> {
        let now_ms = self.shared.clock.now_ms();
        let changes = self.shared.book.lock().evaluate(now_ms, evaluation);
        if !changes.is_empty() {
            self.shared.changed.notify_one();
        }
        changes
    }

    /// Tells each notice to its channels.
    pub fn tell(&self, notices: &[Notice]) {
        notices.iter().filter(|notice| notice.channels.log).for_each(log::write);
        let Some(queue) = &self.shared.queue else { return };
        let posted = notices.iter().filter(|notice| notice.channels.webhook);
        queue.push(posted.map(|notice| Notification::of(notice, self.shared.clock)));
    }

    /// Every alert, firing ones first, then by rule and series.
    pub fn list(&self) -> Vec<Alert> {
        let mut alerts: Vec<_> = self.shared.book.lock().alerts().cloned().collect();
        let key = |alert: &Alert| (alert.state != Phase::Firing, alert.state);
        alerts.sort_by(|a, b| (key(a), &a.rule, &a.series).cmp(&(key(b), &b.rule, &b.series)));
        alerts
    }

    /// The same with ages.
    pub fn listed(&self) -> Vec<ListedAlert> {
        let now_ms = self.shared.clock.now_ms();
        self.list().into_iter().map(|alert| ListedAlert::of(alert, now_ms)).collect()
    }

    /// Pending and firing alerts that a strategy has named: what a new instance adopts.
    pub fn active(&self) -> Vec<Alert> {
        self.shared.book.lock().active().cloned().collect()
    }

    /// How many there are.
    pub fn figures(&self) -> AlertFigures {
        let mut figures = AlertFigures::default();
        let book = self.shared.book.lock();
        for alert in book.alerts() {
            match alert.state {
                Phase::Pending => figures.pending += 1,
                Phase::Firing => figures.firing += 1,
                Phase::Resolved => figures.resolved += 1,
            }
        }
        let refused = book.refused();
        figures.refused = refused.full + refused.reserved;
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
