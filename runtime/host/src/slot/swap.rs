use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

use parking_lot::MutexGuard;
use switchyard_types::Stage;

use super::{
    Shared, Slot, SwapReport,
    cell::{Cell, Running},
    staging::{CATCH_UP_ROUNDS_MAX, OpenTees, StageTimes, Staged, swap_error},
    state::State,
};
use crate::{
    HostError, Progress, Strategy, SwapOrder,
    gauges::GenerationGuard,
    kind::Kind,
    policy::Chore,
    quarantine::{FailureWindow, Quarantines},
};

/// A call in progress ends within its wall cap; whoever holds a shard longer than this is broken, and the swap gives up.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Events that a new instance may have missed when a flip begins, a shard: some microseconds of work.
const FLIP_EVENTS_MAX: usize = 1_024;

/// Every shard locked, and since when the first has been.
struct Locked<'a, K: Kind> {
    since: Instant,
    cells: Vec<MutexGuard<'a, Cell<K>>>,
}

/// How long nobody decided, and who decided before.
struct Flipped<K: Kind> {
    flip_ms: f64,
    old: Vec<Option<Running<K>>>,
}

/// What came of new instances, and what those before them knew, by shard.
pub(super) struct Replaced {
    report: SwapReport,
    exported: Vec<Option<State>>,
}

impl<K: Kind> Slot<K> {
    /// Lets `strategy` decide from now on. Everything that can fail happens before the flip; whatever fails, the old
    /// instances go on as if nothing had been tried.
    pub(crate) fn swap(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        let (shared, strategy) = (&*self.0, order.strategy);
        let _staging = shared.staging.lock();
        if shared.active().is_some_and(|active| active.identity() == strategy.identity()) {
            return Ok(SwapReport { unchanged: true, ..SwapReport::default() });
        }
        let Replaced { report, exported } = shared.replace_all(order, true)?;
        *shared.quarantines.lock() = Quarantines::default();
        shared.keep(shared.active().as_ref(), order, exported);
        let mut history = shared.history.lock();
        history.active = Some(strategy.clone());
        history.seed = order.seed;
        history.flips += 1;
        history.last = Some(report.clone());
        Ok(report)
    }

    /// Back to the built-in fallback.
    pub(crate) fn clear(&self) {
        let shared = &*self.0;
        let _staging = shared.staging.lock();
        for shard in &shared.shards {
            shard.cell.lock().running = None;
        }
        // After the last instance is gone: one that fails while it goes would leave an empty slot quarantined.
        shared.set_wants(0);
        shared.quarantined_until_ms.store(0, SeqCst);
        let mut history = shared.history.lock();
        history.kept = None;
        if history.active.take().is_some() {
            history.flips += 1;
        }
    }
}

impl<K: Kind> Shared<K> {
    fn active(&self) -> Option<Strategy> {
        self.history.lock().active.clone()
    }

    /// New instances for every shard; the caller holds `staging`.
    /// With `inherits` they begin with what others knew.
    pub(super) fn replace_all(&self, order: &SwapOrder<'_>, inherits: bool) -> Result<Replaced, HostError> {
        let wants = K::wants(&order.strategy.plugin().manifest().interests);
        let before = self.wants.load(Relaxed);
        let tees = OpenTees::open(self, 0..self.shards.len());
        // While both are alive the engine buffers what either wants; a first instance must hear of changes at once.
        self.staging_wants.store(wants, SeqCst);
        self.set_wants(before | wants);
        let outcome = self.stage_and_flip(order, wants, inherits);
        drop(tees);
        self.staging_wants.store(0, SeqCst);
        if outcome.is_err() {
            self.set_wants(before);
        }
        // Either version may have been quarantined meanwhile; looked at last, so that none is missed.
        if self.is_quarantined() {
            self.set_wants(0);
        }
        outcome
    }

    fn stage_and_flip(&self, order: &SwapOrder<'_>, wants: u64, inherits: bool) -> Result<Replaced, HostError> {
        let &SwapOrder { strategy, seed, .. } = order;
        let mut times = StageTimes::new(&order.progress);
        let mut export_ms: f64 = 0.0;
        let (mut staged, mut exported) = (Vec::with_capacity(self.shards.len()), Vec::with_capacity(self.shards.len()));
        for index in 0..self.shards.len() {
            let start = Instant::now();
            let state = if inherits { self.export(index) } else { None };
            export_ms = export_ms.max(start.elapsed().as_secs_f64() * 1_000.0);
            let inherited = if inherits { self.inherited(index, order, state.as_ref()) } else { None };
            exported.push(state);
            // Shards of one strategy differ in their seeds, or all would make the same random choices.
            staged.push(self.stage(index, strategy, shard_seed(seed, index), inherited, &mut times)?);
        }
        let adopted = staged.iter().map(|staged| staged.adopted).sum();
        let Flipped { flip_ms, old } = self.flip(order, wants, staged)?;
        times.timed(Stage::Drain, || drop(old));
        let staging_ms = times.with_flip(flip_ms);
        Ok(Replaced { report: SwapReport { unchanged: false, flip_ms, export_ms, adopted, staging_ms }, exported })
    }

    /// Every shard passes to its new instance while all are locked, so no two decisions of one moment come from two
    /// versions. Holding the locks is the only time during which nobody decides.
    fn flip(&self, order: &SwapOrder<'_>, wants: u64, mut staged: Vec<Staged<K>>) -> Result<Flipped<K>, HostError> {
        let &SwapOrder { strategy, seed, .. } = order;
        let table = self.table.upgrade().ok_or_else(|| swap_error(Stage::Flip, "the engine is gone"))?;
        let Locked { since, mut cells } = self.lock_when_caught_up(&mut staged)?;
        // Not before: until the locks are held, the new instances learn what the old ones have decided meanwhile.
        order.progress.enter(Stage::Flip);
        for (index, (cell, staged)) in cells.iter_mut().zip(&mut staged).enumerate() {
            self.finish(cell, &table, index, &mut staged.instance)?;
        }
        let generation = Arc::new(GenerationGuard::new(self.host.counters()));
        let mut old = Vec::with_capacity(cells.len());
        for (index, (cell, staged)) in cells.iter_mut().zip(staged).enumerate() {
            cell.window = FailureWindow::default();
            cell.next_tick_ms = 0;
            old.push(cell.running.replace(Running {
                strategy: strategy.clone(),
                seed: shard_seed(seed, index),
                instance: Some(staged.instance),
                imported: staged.imported,
                exports: true,
                generation: Arc::clone(&generation),
            }));
            K::took_over(&table, index);
        }
        self.set_wants(wants);
        self.quarantined_until_ms.store(0, SeqCst);
        drop(cells);
        self.after_taking_over();
        Ok(Flipped { flip_ms: since.elapsed().as_secs_f64() * 1_000.0, old })
    }

    /// Locks every shard at a moment when the new instances have missed little: the first have waited for the last, and
    /// what they missed must not be fed while nobody decides.
    fn lock_when_caught_up(&self, staged: &mut [Staged<K>]) -> Result<Locked<'_, K>, HostError> {
        for _ in 0..CATCH_UP_ROUNDS_MAX {
            for (index, staged) in staged.iter_mut().enumerate() {
                self.catch_up(index, &mut staged.instance)?;
            }
            let since = Instant::now();
            let cells = self.lock_all()?;
            if cells.iter().all(|cell| cell.teed_len() <= FLIP_EVENTS_MAX) {
                return Ok(Locked { since, cells });
            }
        }
        Err(swap_error(Stage::Flip, "the new instances are slower than the traffic"))
    }

    fn lock_all(&self) -> Result<Vec<MutexGuard<'_, Cell<K>>>, HostError> {
        let deadline = Instant::now() + DRAIN_MAX;
        self.shards
            .iter()
            .map(|shard| shard.cell.try_lock_until(deadline))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| swap_error(Stage::Drain, "a call did not end within the drain bound"))
    }

    /// A new instance for one shard whose own failed; the caller holds `staging`.
    pub(super) fn replace_one(&self, index: usize) -> Result<(), HostError> {
        let Some(shard) = self.shards.get(index) else { return Ok(()) };
        let (strategy, seed) = match &shard.cell.lock().running {
            Some(running) if running.instance.is_none() => (running.strategy.clone(), running.seed),
            _ => return Ok(()),
        };
        let _tee = OpenTees::open(self, index..index + 1);
        let mut staged = self.stage(index, &strategy, seed, None, &mut StageTimes::new(&Progress::default()))?;
        let table = self.table.upgrade().ok_or_else(|| swap_error(Stage::Flip, "the engine is gone"))?;
        let mut cell = shard.cell.lock();
        self.finish(&mut cell, &table, index, &mut staged.instance)?;
        if let Some(running) = &mut cell.running {
            running.instance = Some(staged.instance);
            running.imported = None;
        }
        K::took_over(&table, index);
        drop(cell);
        self.after_taking_over();
        Ok(())
    }

    /// What new instances have to do that nobody waits for.
    fn after_taking_over(&self) {
        (0..self.shards.len()).for_each(|index| self.ask_for(Chore::Tend, index));
    }
}

/// Of SplitMix64 (Steele, Lea and Flood, 2014): neighbouring shards get unrelated seeds.
fn shard_seed(seed: u64, shard: usize) -> u64 {
    let mut z = seed.wrapping_add((shard as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
