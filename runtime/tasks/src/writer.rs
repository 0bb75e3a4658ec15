use std::{sync::Arc, thread::JoinHandle};

use crate::{
    TasksError,
    clock::wall_ms,
    disk::{self, Batch},
    figures::Counters,
    shared::{Progress, Shared},
};

/// Changes that one commit takes at most: what came meanwhile waits for the next, and the lock is held for the encoding.
const BATCH_CHANGES_MAX: usize = 512;

/// The one thread that writes. While the disk works, changes gather; they share the next commit.
pub(crate) fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, TasksError> {
    let run = move || {
        if let Err(error) = write(&shared) {
            let error: &dyn std::error::Error = &error;
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, "the tasks take and give nothing any more");
            shared.progress.send_modify(|progress| progress.failed = true);
        }
    };
    std::thread::Builder::new().name("tasks-writer".to_owned()).spawn(run).map_err(TasksError::disk)
}

/// Ends with the tasks, or at the first write that fails: after that nobody knows what the disk has, and the next one may
/// seem to succeed without it.
fn write(shared: &Shared) -> Result<(), TasksError> {
    while let Some(taken) = shared.next_work(|state| {
        let (now_ms, wall_ms) = (shared.clock.now_ms(), wall_ms());
        state.take_batch(BATCH_CHANGES_MAX, |task| disk::encode(task, now_ms, wall_ms))
    }) {
        let (batch, arriving, safe) = taken?;
        shared
            .database
            .commit(Batch { clock_ms: shared.clock.now_ms(), ..batch })
            .map_err(|unwritten| unwritten.error)?;
        Counters::count(&shared.counters.commits);
        if !arriving.is_empty() {
            shared.change(|state, now_ms| arriving.iter().for_each(|id| state.admit(now_ms, *id)));
        }
        shared.progress.send_replace(Progress { safe, failed: false });
        shared.database.tidy()?;
    }
    // A start then has no log to read.
    shared.database.checkpoint()
}
