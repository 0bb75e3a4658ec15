use std::sync::{Arc, atomic::Ordering};

use parking_lot::{Mutex, MutexGuard};
use switchyard_types::Page;
use tokio::sync::Notify;

use super::{
    Alert, AlertBook, AlertFigures, AlertsFile, Change, Evaluation, ListedAlert, Notice, Phase, Webhook, WebhookConfig,
    file::Restored,
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
    /// Something is worth saving.
    changed: Arc<Notify>,
    /// Held from a change until its notices are in the queue, and while both are saved.
    telling: Mutex<()>,
}

impl Alerts {
    pub(crate) fn new(clock: Clock, notifies: bool, silence_ms: u64, restored: Restored) -> Self {
        let mut book = AlertBook::new(silence_ms);
        restored.alerts.into_iter().for_each(|alert| book.restore(alert));
        let queue = notifies.then(|| Arc::new(Queue::default()));
        match &queue {
            Some(queue) => queue.push(restored.untold),
            None if restored.untold.is_empty() => {}
            None => tracing::warn!(
                waiting = restored.untold.len(),
                "changes of alerts waited for a webhook that is configured no more: they are never told"
            ),
        }
        let (counters, changed, telling) = (Arc::default(), Arc::default(), Mutex::default());
        Self { shared: Arc::new(Shared { clock, book: Mutex::new(book), queue, counters, changed, telling }) }
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

    /// Until it is let go, nothing is saved: what changed and what is told of it come to the disk together.
    pub(crate) fn telling(&self) -> MutexGuard<'_, ()> {
        self.shared.telling.lock()
    }

    /// Tells each notice to its channels.
    pub fn tell(&self, notices: &[Notice]) {
        notices.iter().filter(|notice| notice.channels.log).for_each(log::write);
        let Some(queue) = &self.shared.queue else { return };
        let posted = notices.iter().filter(|notice| notice.channels.webhook);
        queue.push(posted.map(|notice| Notification::of(notice, self.shared.clock)));
        self.shared.changed.notify_one();
    }

    /// Every alert, firing ones first, then by rule and series.
    pub fn list(&self) -> Vec<Alert> {
        let mut alerts: Vec<_> = self.shared.book.lock().alerts().cloned().collect();
        let key = |alert: &Alert| (alert.state != Phase::Firing, alert.state);
        alerts.sort_by(|a, b| (key(a), &a.rule, &a.series).cmp(&(key(b), &b.rule, &b.series)));
        alerts
    }

    /// At most `limit` of them with ages, those in a state or all, after the one that an earlier page ended with. None: that
    /// one is gone, or in another state.
    pub fn page(&self, state: Option<Phase>, after: Option<&str>, limit: usize) -> Option<Page<ListedAlert>> {
        let now_ms = self.shared.clock.now_ms();
        let mut alerts = self.list();
        alerts.retain(|alert| state.is_none_or(|state| alert.state == state));
        let first = match after {
            Some(token) => 1 + alerts.iter().position(|alert| page_token(alert) == token)?,
            None => 0,
        };
        let mut rest = alerts.into_iter().skip(first);
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let continue_token = page.last().filter(|_| rest.next().is_some()).map(page_token);
        let items = page.into_iter().map(|alert| ListedAlert::of(alert, now_ms)).collect();
        Some(Page::new(items, continue_token))
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
        let (counters, changed) = (Arc::clone(&self.shared.counters), Arc::clone(&self.shared.changed));
        Webhook::new(config, Arc::clone(queue), counters, changed).map(Some)
    }

    /// Waits for a change that is worth saving.
    pub(crate) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Saves the active alerts and what the webhook has not been told yet. Whether that was done: if not, the log says why.
    pub(crate) fn save(&self, file: &AlertsFile) -> bool {
        let telling = self.telling();
        let now_ms = self.shared.clock.now_ms();
        let alerts = self.list();
        let untold = self.shared.queue.as_ref().map(|queue| queue.list()).unwrap_or_default();
        drop(telling);
        let saved = file.save(now_ms, &alerts, &untold);
        if let Err(error) = &saved {
            tracing::error!(%error, "active alerts cannot be saved: a restart would forget them");
        }
        saved.is_ok()
    }
}

/// Where a page ended: which alert, and in which state, because alerts are listed by that first.
fn page_token(alert: &Alert) -> String {
    format!("{}-{:016x}", alert.state as u8, alert.fingerprint())
}
