use std::{sync::Arc, time::Duration};

use switchyard_host::{Host, State, StateStore, Strategy};
use switchyard_types::{PluginName, SlotId, StrategyName};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::{
    folder::{DataFolder, StateOwner, States},
    shared::{Shared, SlotRecord},
};

/// How often what instances know is written to disk, in milliseconds: a node that is killed forgets so much.
const CHECKPOINT_EVERY_MS: u64 = 60_000;
/// How often it is looked whether a state was rejected, in milliseconds. A node that is killed before that has the same
/// state fail once more.
const LOOK_EVERY_MS: u64 = 1_000;

/// The states of one slot on disk, as its engine reads and writes them.
pub(crate) struct SlotStates {
    pub(crate) states: States,
    pub(crate) slot: SlotId,
    /// The strategy whose state is read.
    pub(crate) reads: StrategyName,
    /// The strategy whose state is written; none: nothing is.
    pub(crate) writes: Option<StrategyName>,
}

impl SlotStates {
    fn owner(&self, strategy: &StrategyName, shard: &str, plugin: &PluginName) -> StateOwner {
        let (slot, strategy) = (self.slot.clone(), strategy.clone());
        StateOwner { slot, strategy, plugin: plugin.clone(), shard: shard.to_owned() }
    }
}

impl StateStore for SlotStates {
    fn load(&self, shard: &str, plugin: &PluginName) -> Option<State> {
        self.states.read(&self.owner(&self.reads, shard, plugin))
    }

    fn save(&self, shard: &str, plugin: &PluginName, state: &State) {
        let Some(strategy) = &self.writes else { return };
        if let Err(error) = self.states.write(&self.owner(strategy, shard, plugin), state) {
            tracing::error!(slot = %self.slot, shard, %error, "what an instance knows could not be written");
        }
    }
}

/// Writes what instances know, so that a node that starts again goes on from there: now and then, when a version has become
/// healthy, and at the end. Only healthy versions are asked: until its successor is one, what the last healthy version knew
/// stays on disk.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    pub(crate) host: Host,
    pub(crate) shared: Arc<Shared>,
    pub(crate) folder: Arc<DataFolder>,
    pub(crate) states: States,
}

impl Checkpoints {
    /// Until shutdown, and once more at its end.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut rejected = self.host.rejected_states().added();
        let mut next_ms = self.shared.now_ms().saturating_add(CHECKPOINT_EVERY_MS);
        loop {
            let ends = shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS))).await;
            self.remember_rejected(&mut rejected).await;
            if ends.is_none() {
                return self.write_all().await;
            }
            if self.shared.now_ms() >= next_ms {
                self.write_all().await;
                next_ms = self.shared.now_ms().saturating_add(CHECKPOINT_EVERY_MS);
            }
        }
    }

    async fn remember_rejected(&self, known: &mut u64) {
        let added = self.host.rejected_states().added();
        if added == *known {
            return;
        }
        let (folder, names) = (Arc::clone(&self.folder), self.host.rejected_states().list());
        match spawn_blocking(move || folder.write_rejected(&names)).await {
            Ok(Ok(())) => *known = added,
            // The next look tries again.
            failed => tracing::warn!(?failed, "which states are rejected could not be written"),
        }
    }

    async fn write_all(&self) {
        for slot in self.shared.slots.keys() {
            self.write(slot).await;
        }
    }

    /// Writes what the instances of one slot know, if its version is healthy.
    pub(crate) async fn write(&self, slot: &SlotId) {
        let Some((strategy, running)) = self.healthy_in(slot) else { return };
        let Some(handle) = self.shared.slots.get(slot).cloned() else { return };
        let states = SlotStates {
            states: self.states.clone(),
            slot: slot.clone(),
            reads: strategy.clone(),
            writes: Some(strategy),
        };
        if let Err(error) = spawn_blocking(move || handle.export(&running, &states)).await {
            tracing::error!(%slot, %error, "what its instances know could not be read");
        }
    }

    fn healthy_in(&self, slot: &SlotId) -> Option<(StrategyName, Strategy)> {
        self.shared.read(|state| {
            let SlotRecord { actual, running, .. } = state.slots.get(slot)?;
            let active = actual.active.as_ref()?;
            let is_healthy = actual.healthy.as_ref().is_some_and(|healthy| healthy.same_content(active));
            is_healthy.then_some((active.strategy.clone(), running.clone()?))
        })
    }
}
