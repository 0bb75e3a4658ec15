use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use switchyard_host::{
    Host, Upkeep,
    scheduling::{QueueTable, SchedulingSlot},
};
use tokio::sync::{Notify, watch};

use crate::{
    TasksConfig, TasksError,
    clock::Clock,
    figures::Counters,
    state::{Handout, Limits, State, Ticket, Work},
    storage::Storage,
    table::{Guarded, Table},
    workers::Workers,
    writer::Writing,
};

/// How long what nobody waits for may gather: until then a kill has the tasks handed out again.
const UNHURRIED_MAX: Duration = Duration::from_millis(100);

/// Instances of a strategy: one, which sees every task in one order.
const SHARDS: usize = 1;
/// The only shard.
pub(crate) const SHARD: usize = 0;

/// How far the writer has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) safe: Ticket,
    /// Why nothing more will be safe until the files are mended.
    pub(crate) failed: Option<Arc<str>>,
}

/// What the handle, the writer and the service share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) storage: Storage,
    pub(crate) workers: Workers,
    pub(crate) counters: Counters,
    /// Where strategies decide. It is asked with the state unlocked: it looks at the table while it decides.
    pub(crate) slot: SchedulingSlot,
    pub(crate) table: Arc<Table>,
    pub(crate) writer: Writing,
    /// Whose turn it is to ask the strategy.
    turn: Mutex<()>,
    pub(crate) progress: watch::Sender<Progress>,
    /// The next timer runs out sooner than it did.
    pub(crate) sooner: Notify,
}

impl Shared {
    /// No task is known yet, and no file is open.
    pub(crate) fn new(host: &Host, config: &TasksConfig) -> Arc<Self> {
        let clock = Clock::new();
        let state = State::new(Limits { tasks_max: config.tasks_max, dead_max: config.dead_max });
        let (progress, _) = watch::channel(Progress { safe: state.last_ticket(), failed: None });
        let table = Arc::new(Table::new(clock.clone(), state));
        let seen: Arc<dyn QueueTable> = table.clone();
        Arc::new(Self {
            clock,
            storage: Storage::new(config.files()),
            workers: Workers::new(),
            counters: Counters::default(),
            slot: SchedulingSlot::new(host, Arc::downgrade(&seen), SHARDS, Upkeep::Threads),
            table,
            writer: Writing::new(config.durability),
            turn: Mutex::new(()),
            progress,
            sooner: Notify::new(),
        })
    }

    /// Waits until nobody else asks the strategy. A slot that is busy leaves the decision to the fallback, because a cache
    /// cannot wait; a task that is pushed waits for the disk anyway, and a wrong place costs it more than a millisecond.
    pub(crate) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        (self.slot.wants().batch > 0).then(|| self.turn.lock())
    }

    /// Looks at the state.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.table.guarded.lock().state)
    }

    /// Changes the state at the present time, then does, with the lock released, what the change has left to do.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State, u64) -> R) -> R {
        let (answer, work) = self.change_quietly(change);
        if work {
            self.table.work.notify_one();
        }
        answer
    }

    /// A change of which [`Shared::safe`] is asked next, which has it written.
    pub(crate) fn change_waited<R>(&self, change: impl FnOnce(&mut State, u64) -> R) -> R {
        self.change_quietly(change).0
    }

    /// And whether the writer is to be told.
    fn change_quietly<R>(&self, change: impl FnOnce(&mut State, u64) -> R) -> (R, bool) {
        let (answer, handouts, sooner, work, due) = {
            let mut guarded = self.table.guarded.lock();
            let state = &mut guarded.state;
            state.listen(self.slot.wants());
            let (timer, before) = (state.next_timer_ms(), state.work());
            // Read under the lock: the times of two changes are in the order of the changes.
            let answer = change(state, self.clock.now_ms());
            let sooner = state.next_timer_ms().is_some_and(|at_ms| timer.is_none_or(|timer| at_ms < timer));
            let (after, due) = (state.work(), state.events.is_due());
            let handouts = std::mem::take(&mut state.handouts);
            // What nobody waits for has its time, which has begun already.
            let told = guarded.gathering && after == Work::Unhurried;
            (answer, handouts, sooner, after > before && !told, due)
        };
        if due {
            self.slot.wake(SHARD);
        }
        if sooner {
            self.sooner.notify_one();
        }
        handouts.into_iter().for_each(|(answer, handout)| self.deliver(answer, handout));
        (answer, work)
    }

    fn deliver(&self, answer: tokio::sync::oneshot::Sender<Handout>, handout: Handout) {
        // The worker has left: its task goes to the next one.
        if answer.send(handout).is_err() {
            self.change(|state, now_ms| state.give_back(now_ms, handout));
        }
    }

    /// Waits for work, or for the files to fail. False: the tasks are closed and everything is written.
    pub(crate) fn wait_for_work(&self) -> bool {
        let mut guarded = self.table.guarded.lock();
        // From the first of it: what comes meanwhile puts nothing off.
        let mut until = None;
        loop {
            // Before it is waited: whoever closes them has the lock meanwhile.
            if self.storage.database().is_none() {
                break;
            }
            match guarded.state.work() {
                Work::Waited => break,
                Work::Unhurried if guarded.closing => break,
                Work::Unhurried if self.gather(&mut guarded, &mut until) => break,
                Work::Nothing if guarded.closing => return false,
                Work::Nothing => self.table.work.wait(&mut guarded),
                Work::Unhurried => {}
            }
        }
        true
    }

    /// Waits for something to happen; true: the time is over that unhurried work may gather.
    fn gather(&self, guarded: &mut MutexGuard<'_, Guarded>, until: &mut Option<Instant>) -> bool {
        let until = *until.get_or_insert_with(|| Instant::now() + UNHURRIED_MAX);
        guarded.gathering = true;
        let is_over = self.table.work.wait_until(guarded, until).timed_out();
        guarded.gathering = false;
        is_over
    }

    /// Has the writer end once everything is written.
    pub(crate) fn close(&self) {
        self.table.guarded.lock().closing = true;
        self.table.work.notify_one();
    }

    /// Waits for so long, or until the tasks are closed: whether they are.
    pub(crate) fn wait_for_close(&self, pause: Duration) -> bool {
        let (mut guarded, until) = (self.table.guarded.lock(), Instant::now() + pause);
        while !guarded.closing && !self.table.work.wait_until(&mut guarded, until).timed_out() {}
        guarded.closing
    }

    /// Has what is waited for written up to a change: here and now where that is quick, else by the thread that writes. To wake a
    /// thread, and to be woken by it, costs more than a write that does not wait for the disk.
    pub(crate) fn hasten(&self, until: Ticket) {
        if self.writer.is_quick(self.clock.now_ms()) {
            self.write_here(until);
        } else {
            self.table.work.notify_one();
        }
    }

    /// An error while the files have failed.
    pub(crate) fn check(&self) -> Result<(), TasksError> {
        match &self.progress.borrow().failed {
            Some(reason) => Err(TasksError::Failed { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    /// Waits until the files are well.
    pub(crate) async fn healthy(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.progress.subscribe().wait_for(|progress| progress.failed.is_none()).await;
    }

    /// Waits until a change is safe.
    pub(crate) async fn safe(&self, ticket: Ticket) -> Result<(), TasksError> {
        if self.progress.borrow().safe < ticket {
            self.hasten(ticket);
        }
        let mut progress = self.progress.subscribe();
        // The sender is here, so it cannot be gone.
        let reached = progress.wait_for(|progress| progress.safe >= ticket || progress.failed.is_some()).await;
        match reached.as_deref() {
            Ok(Progress { safe, failed: Some(reason) }) if *safe < ticket => {
                Err(TasksError::Failed { reason: Arc::clone(reason) })
            }
            _ => Ok(()),
        }
    }
}
