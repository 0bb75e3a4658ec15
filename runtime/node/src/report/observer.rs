use std::{sync::Arc, time::Duration};

use switchyard_types::{Event, EventKind, NodeStatus, ReportItem};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    StatusSource,
    events::events,
    outbox::Outbox,
    windows::{Moment, Windows},
};
use crate::shared::unix_ms;

/// How long it is not looked at most, in milliseconds, when nothing wakes the observer: a quarantine is the host's own decision.
/// Nodes that were told the same at once come apart again, because each waits between half of it and all of it.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long after a change it is looked, in milliseconds: one that was decided is several changes, soon after each other.
const SETTLE_MS: u64 = 50;
/// How often what is still to be told is put on disk, in milliseconds.
const SAVE_EVERY_MS: u64 = 10_000;

/// Notices what happens on the node, by looking: at its counters for windows, at its status for events.
pub(crate) struct Observer {
    source: Arc<StatusSource>,
    outbox: Arc<Outbox>,
    windows: Windows,
    last: Option<NodeStatus>,
    /// States that were not to be imported again, so far.
    rejected: u64,
    /// What was seen last, for whoever puts it somewhere.
    seen: watch::Sender<Option<Arc<NodeStatus>>>,
}

impl Observer {
    pub(crate) fn new(source: Arc<StatusSource>, outbox: Arc<Outbox>) -> Self {
        // Those of before were told by an earlier process.
        let rejected = source.host.rejected_states().added();
        Self { source, outbox, windows: Windows::default(), last: None, rejected, seen: watch::Sender::new(None) }
    }

    /// The status as it is seen: one look serves all, because it holds up decisions for a moment.
    pub(crate) fn seen(&self) -> watch::Receiver<Option<Arc<NodeStatus>>> {
        self.seen.subscribe()
    }

    /// Looks until shutdown.
    pub(crate) async fn run(&mut self, shutdown: &CancellationToken) {
        let message = concat!("Switchyard ", env!("CARGO_PKG_VERSION"));
        self.tell(vec![event(EventKind::Started, message)]);
        shutdown.run_until_cancelled(self.look_again()).await;
    }

    /// The last look, and that it was the last.
    pub(crate) async fn finish(&mut self) {
        self.look(Windows::take_all).await;
        self.tell(vec![event(EventKind::Stopping, "")]);
    }

    async fn look_again(&mut self) {
        let mut changes = self.source.shared.changes();
        let mut save_at_ms = SAVE_EVERY_MS;
        loop {
            changes.mark_unchanged();
            self.look(Windows::take).await;
            if self.source.shared.now_ms() >= save_at_ms {
                self.outbox.save().await;
                save_at_ms = self.source.shared.now_ms() + SAVE_EVERY_MS;
            }
            // The sender lives as long as the source does: an error here is a time-out.
            if timeout(pause(), changes.changed()).await.is_ok() {
                sleep(Duration::from_millis(SETTLE_MS)).await;
            }
        }
    }

    async fn look(&mut self, take: fn(&mut Windows, super::status::Readings, Moment) -> Vec<switchyard_types::Window>) {
        let source = Arc::clone(&self.source);
        let Ok((status, readings)) = spawn_blocking(move || source.observe()).await else { return };
        let now = Moment { ms: self.source.shared.now_ms(), unix_ms: unix_ms() };
        let windows = take(&mut self.windows, readings, now).into_iter().map(Box::new).map(ReportItem::Window);
        let events = events(self.last.as_ref(), &status).into_iter().map(Box::new).map(ReportItem::Event);
        self.tell(windows.chain(events).collect());
        self.look_at_states();
        self.last = Some(status.without_figures());
        self.seen.send_replace(Some(Arc::new(status)));
    }

    /// Of a state that was followed by a trap no status tells: the version that imported it goes on with a cold instance.
    fn look_at_states(&mut self) {
        let rejected = self.source.host.rejected_states().added();
        let new = rejected.saturating_sub(std::mem::replace(&mut self.rejected, rejected));
        if new > 0 {
            let message = format!("{new} states of instances were followed by failures, and are not imported again");
            self.tell(vec![event(EventKind::StateRejected, &message)]);
        }
    }

    fn tell(&self, items: Vec<ReportItem>) {
        self.outbox.push(items, self.source.shared.now_ms());
    }
}

/// Without randomness it is the longest: right, only not spread.
fn pause() -> Duration {
    let random = getrandom::u64().unwrap_or(0);
    Duration::from_millis(LOOK_EVERY_MS - random % (LOOK_EVERY_MS / 2 + 1))
}

fn event(kind: EventKind, message: &str) -> ReportItem {
    ReportItem::Event(Box::new(Event::new(kind, unix_ms(), message)))
}
