use std::{io, sync::Arc};

use parking_lot::Mutex;
use switchyard_types::{NodeId, ReportAnswer, ReportBatch, ReportItem, SessionId};
use tokio::{sync::Notify, task::spawn_blocking};

use super::spool::{Progress, Saved, Spool};
use crate::folder::{DataFolder, read_checked, write_checked};

/// Beside the node's other records.
const FILE: &str = "reports.json";

/// What a node has to tell, between those who notice and the one who tells. Nobody waits for anybody here.
pub(crate) struct Outbox {
    spool: Mutex<Spool>,
    /// There is something to tell.
    news: Notify,
    /// What stands on disk, as the spool counts its changes.
    written: Mutex<u64>,
    folder: Arc<DataFolder>,
}

impl Outbox {
    /// What the process before has left. A damaged file counts as absent, and is reported.
    pub(crate) fn open(folder: Arc<DataFolder>, node: NodeId) -> Self {
        let path = folder.join(FILE);
        let saved = read_checked::<Saved>(&path).unwrap_or_else(|error| {
            tracing::error!(file = %path.display(), %error, "the file is passed over: reports of before are lost");
            None
        });
        // Without randomness two processes of one node could share a number; the clock tells them apart well enough.
        let random = getrandom::u64().unwrap_or_else(|_| crate::shared::unix_ms());
        let spool = Spool::new(node, SessionId::from_random(random), saved.unwrap_or_default());
        Self { spool: Mutex::new(spool), news: Notify::new(), written: Mutex::new(0), folder }
    }

    /// Adds what is to be told.
    pub(crate) fn push(&self, items: Vec<ReportItem>, now_ms: u64) {
        if !items.is_empty() {
            self.spool.lock().push(items, now_ms);
            self.news.notify_one();
        }
    }

    /// What is told next; waits until there is something.
    pub(crate) async fn next(&self) -> ReportBatch {
        loop {
            let batch = self.batch();
            match batch {
                Some(batch) => return batch,
                None => self.news.notified().await,
            }
        }
    }

    /// A batch without items, for who leads to show itself.
    pub(crate) fn greeting(&self) -> ReportBatch {
        self.spool.lock().greeting()
    }

    /// What is told next, if there is anything.
    pub(crate) fn batch(&self) -> Option<ReportBatch> {
        self.spool.lock().batch()
    }

    /// Notes what a server has answered.
    pub(crate) fn answered(&self, batch: &ReportBatch, answer: ReportAnswer) -> Progress {
        self.spool.lock().answered(batch, answer)
    }

    /// Gives up what a server would always refuse.
    pub(crate) fn give_up(&self, batch: &ReportBatch) {
        self.spool.lock().give_up(batch);
    }

    /// Puts on disk what has changed. A disk that refuses costs what a crash would cost now, and nothing else.
    pub(crate) async fn save(self: &Arc<Self>) {
        let outbox = Arc::clone(self);
        let written = spawn_blocking(move || outbox.write()).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "what is still to be reported could not be written");
        }
    }

    fn write(&self) -> io::Result<()> {
        // Held over the write: two writers must not overtake each other.
        let mut written = self.written.lock();
        let (changes, saved) = {
            let spool = self.spool.lock();
            if spool.changes() == *written {
                return Ok(());
            }
            (spool.changes(), spool.saved())
        };
        write_checked(&self.folder.join(FILE), &saved)?;
        *written = changes;
        Ok(())
    }
}
