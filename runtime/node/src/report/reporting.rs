use std::{sync::Arc, time::Duration};

use switchyard_types::NodeStatus;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Sender, StatusSource, observer::Observer, outbox::Outbox};

/// How long the last reports of a node that stops may take, in seconds. What is not told by then is told at the next start.
const LAST_WORD_SECONDS_MAX: u64 = 1;

/// Notices and tells. Nothing that fails here stops the node.
pub(crate) struct Reporting {
    observer: Observer,
    sender: Option<Sender>,
    outbox: Arc<Outbox>,
}

impl Reporting {
    /// Without a sender everything is kept, within the bounds of the spool.
    pub(crate) fn new(source: Arc<StatusSource>, outbox: Arc<Outbox>, sender: Option<Sender>) -> Self {
        Self { observer: Observer::new(source, Arc::clone(&outbox)), sender, outbox }
    }

    /// The status as it is seen.
    pub(crate) fn seen(&self) -> watch::Receiver<Option<Arc<NodeStatus>>> {
        self.observer.seen()
    }

    /// Until shutdown, and once more at its end.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let telling = async {
            if let Some(sender) = &mut self.sender {
                shutdown.run_until_cancelled(sender.run()).await;
            }
        };
        tokio::join!(self.observer.run(&shutdown), telling);
        self.observer.finish().await;
        // First: the servers may be gone, the disk is not.
        self.outbox.save().await;
        if let Some(sender) = &mut self.sender
            && timeout(Duration::from_secs(LAST_WORD_SECONDS_MAX), sender.flush()).await.is_ok()
        {
            self.outbox.save().await;
        }
    }
}
