use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst, time::Instant};

use switchyard_types::{Digest, Stage};

use super::{
    Shared,
    cell::Cell,
    state::{Inherited, State},
};
use crate::{CallError, HostError, Progress, Strategy, description::BATCH_MAX, instance::Instance, kind::Kind};

/// Rounds in which a new instance catches up with what happened while it was staged. Each is shorter than the one
/// before, or the instance is slower than the traffic and will never be ready.
pub(super) const CATCH_UP_ROUNDS_MAX: usize = 64;
/// So few events are left for the flip, where the shard is locked.
const CATCH_UP_ENOUGH: usize = BATCH_MAX as usize;
/// Events that are taken out of the table at the flip; what comes after that is the new instance's first backlog.
const FLIP_BATCHES_MAX: usize = 4;

/// A new instance of one shard, on its way.
pub(super) struct Staged<K: Kind> {
    pub(super) instance: Instance<K::Calls>,
    pub(super) adopted: u64,
    /// The state that it has taken over, by its name.
    pub(super) imported: Option<Digest>,
}

/// Milliseconds by stage, and somebody who watches.
pub(super) struct StageTimes {
    laps: BTreeMap<String, f64>,
    progress: Progress,
}

impl StageTimes {
    pub(super) fn new(progress: &Progress) -> Self {
        Self { laps: BTreeMap::new(), progress: progress.clone() }
    }

    pub(super) fn timed<R>(&mut self, stage: Stage, run: impl FnOnce() -> R) -> R {
        self.progress.enter(stage);
        let start = Instant::now();
        let result = run();
        *self.laps.entry(stage.to_string()).or_default() += start.elapsed().as_secs_f64() * 1_000.0;
        result
    }

    /// All of them, with the time that the flip held the shards.
    pub(super) fn with_flip(mut self, flip_ms: f64) -> BTreeMap<String, f64> {
        self.laps.insert(Stage::Flip.to_string(), flip_ms);
        self.laps
    }
}

/// Keeps the tees of some shards open, and closes them however staging ends.
pub(super) struct OpenTees<'a, K: Kind> {
    shared: &'a Shared<K>,
    shards: std::ops::Range<usize>,
}

impl<'a, K: Kind> OpenTees<'a, K> {
    pub(super) fn open(shared: &'a Shared<K>, shards: std::ops::Range<usize>) -> Self {
        for shard in shared.shards.get(shards.clone()).unwrap_or_default() {
            shard.cell.lock().open_tee();
        }
        Self { shared, shards }
    }
}

impl<K: Kind> Drop for OpenTees<'_, K> {
    fn drop(&mut self) {
        for shard in self.shared.shards.get(self.shards.clone()).unwrap_or_default() {
            shard.cell.lock().close_tee();
        }
    }
}

impl<K: Kind> Shared<K> {
    /// The same, once more and with nothing, where what was stored or kept was more than the new instance could bear: nobody
    /// knows it any more, and whoever goes back must get there. What a running instance knows is no such thing: a version that
    /// cannot go on from there is refused, and the running one stays.
    pub(super) fn stage(
        &self,
        index: usize,
        strategy: &Strategy,
        seed: u64,
        inherited: Option<Inherited>,
        times: &mut StageTimes,
    ) -> Result<Staged<K>, HostError> {
        let suspect = inherited.as_ref().map(|inherited| (inherited.name, inherited.past));
        match (self.stage_once(index, strategy, seed, inherited, times), suspect) {
            (Err(error), Some((name, past))) if may_be_the_states(&error) => {
                self.host.rejected_states().extend([name]);
                if !past {
                    return Err(error);
                }
                tracing::warn!(shard = index, %error, "a state from before made an instance fail; it starts without");
                self.stage_once(index, strategy, seed, None, times)
            }
            (outcome, _) => outcome,
        }
    }

    /// A configured instance that has adopted the shard's table; its tee is open. The running instance decides all the
    /// while, and no lock is held but for moments.
    fn stage_once(
        &self,
        index: usize,
        strategy: &Strategy,
        seed: u64,
        inherited: Option<Inherited>,
        times: &mut StageTimes,
    ) -> Result<Staged<K>, HostError> {
        let table = self.table.upgrade().ok_or_else(|| swap_error(Stage::Adopt, "the engine is gone"))?;
        let mut instance = times.timed(Stage::Configure, || strategy.instance::<K>(seed))?;
        K::settle(&mut instance, &table, index).map_err(at(Stage::Configure))?;
        let mut imported = None;
        if let Some(inherited) = inherited {
            let import = || self.import(index, instance, strategy, seed, &inherited.state);
            let taken;
            (instance, taken) = times.timed(Stage::Import, import)?;
            imported = taken.then_some(inherited.name);
        }
        let adopted = times.timed(Stage::Adopt, || {
            let adopted = adopt::<K>(&mut instance, &table, index).map_err(at(Stage::Adopt))?;
            self.catch_up(index, &mut instance)?;
            Ok::<_, HostError>(adopted)
        })?;
        Ok(Staged { instance, adopted, imported })
    }

    /// An instance that says no to the state may have taken half of it: a fresh one starts without. Returns whether it was
    /// taken.
    fn import(
        &self,
        index: usize,
        mut instance: Instance<K::Calls>,
        strategy: &Strategy,
        seed: u64,
        state: &State,
    ) -> Result<(Instance<K::Calls>, bool), HostError> {
        match instance.import_state(&state.format, &state.bytes) {
            Ok(()) => Ok((instance, true)),
            Err(CallError::Rejected(reason)) => {
                tracing::warn!(%reason, "exported state was not taken over");
                // Its place is needed for the next one.
                drop(instance);
                let mut fresh = strategy.instance::<K>(seed)?;
                if let Some(table) = self.table.upgrade() {
                    K::settle(&mut fresh, &table, index).map_err(at(Stage::Configure))?;
                }
                Ok((fresh, false))
            }
            Err(error) => Err(at(Stage::Import)(error)),
        }
    }

    /// Feeds what happened meanwhile, until little is left.
    pub(super) fn catch_up(&self, index: usize, instance: &mut Instance<K::Calls>) -> Result<(), HostError> {
        let (Some(shard), Some(table)) = (self.shards.get(index), self.table.upgrade()) else { return Ok(()) };
        for _ in 0..CATCH_UP_ROUNDS_MAX {
            let teed = {
                let mut cell = shard.cell.lock();
                self.pump(&mut cell, &table, index);
                cell.take_teed().ok_or_else(|| swap_error(Stage::Adopt, "the new instance fell behind the traffic"))?
            };
            feed::<K>(instance, &table, &teed)?;
            if teed.len() <= CATCH_UP_ENOUGH {
                return Ok(());
            }
        }
        Err(swap_error(Stage::Adopt, "the new instance is slower than the traffic"))
    }

    /// Moves events from the table to whoever decides, and to the tee.
    pub(super) fn pump(&self, cell: &mut Cell<K>, table: &K::Table, index: usize) -> usize {
        let drained = cell.drain(table, index);
        if drained > 0 {
            cell.observe(self, K::now_ms(table));
        }
        drained
    }

    /// With the shard locked: everything up to now reaches the new instance, and the old one too, which goes on if
    /// another shard cannot be flipped.
    pub(super) fn finish(
        &self,
        cell: &mut Cell<K>,
        table: &K::Table,
        index: usize,
        instance: &mut Instance<K::Calls>,
    ) -> Result<(), HostError> {
        for _ in 0..FLIP_BATCHES_MAX {
            if self.pump(cell, table, index) < BATCH_MAX as usize {
                break;
            }
        }
        let teed =
            cell.take_teed().ok_or_else(|| swap_error(Stage::Flip, "the new instance fell behind the traffic"))?;
        feed::<K>(instance, table, &teed)
    }

    pub(super) fn set_wants(&self, wants: u64) {
        self.wants.store(wants, SeqCst);
    }
}

/// Before its import a state has done nothing, and a machine without time says nothing of it.
fn may_be_the_states(error: &HostError) -> bool {
    matches!(error, HostError::Call { stage: Stage::Import | Stage::Adopt, source } if !source.is_starved())
}

fn feed<K: Kind>(instance: &mut Instance<K::Calls>, table: &K::Table, events: &[K::Event]) -> Result<(), HostError> {
    events
        .chunks(BATCH_MAX as usize)
        .try_for_each(|chunk| K::observe(instance, K::now_ms(table), chunk))
        .map_err(at(Stage::Adopt))
}

fn adopt<K: Kind>(instance: &mut Instance<K::Calls>, table: &K::Table, index: usize) -> Result<u64, CallError> {
    let mut residents = Vec::new();
    let mut cursor = K::residents(table, index, None, &mut residents);
    while cursor.is_some() {
        cursor = K::residents(table, index, cursor, &mut residents);
    }
    K::order(&mut residents);
    let now_ms = K::now_ms(table);
    let mut chunks = residents.chunks(BATCH_MAX as usize).peekable();
    if chunks.peek().is_none() {
        K::adopt(instance, now_ms, &[], true)?;
    }
    while let Some(chunk) = chunks.next() {
        K::adopt(instance, now_ms, chunk, chunks.peek().is_none())?;
    }
    Ok(residents.len() as u64)
}

pub(super) fn at(stage: Stage) -> impl Fn(CallError) -> HostError {
    move |source| HostError::Call { stage, source }
}

pub(super) fn swap_error(stage: Stage, reason: &str) -> HostError {
    HostError::Swap { stage, reason: reason.to_owned() }
}
