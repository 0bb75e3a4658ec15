use std::{fmt, sync::Arc};

use switchyard_types::{Digest, PluginName};

use super::{Shared, Slot};
use crate::{Strategy, StrategyIdentity, SwapOrder, kind::Kind};

/// What an instance knows and its table does not, as its plugin wrote it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    /// The plugin's name of the format.
    pub format: String,
    /// At most 4 MiB.
    pub bytes: Arc<[u8]>,
}

impl State {
    /// Its name among the rejected states, for a plugin that would import it.
    pub(super) fn name_for(&self, strategy: &Strategy) -> Digest {
        let head = format!("{} {} {}\n", strategy.plugin().digest(), self.format.len(), self.format);
        Digest::of_parts([head.as_bytes(), &self.bytes])
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({}, {} bytes)", self.format, self.bytes.len())
    }
}

/// Where states are between two instances that are not there at the same time. A shard is named so that the same name
/// means the same part of the same engine.
pub trait StateStore: Send + Sync {
    /// What an instance of this plugin has last left for the shard.
    fn load(&self, shard: &str, plugin: &PluginName) -> Option<State>;

    /// Keeps what an instance of this plugin knows in the shard.
    fn save(&self, shard: &str, plugin: &PluginName, state: &State);
}

/// What the last healthy version knew when its successor took over: whoever goes back to it goes on from there.
pub(super) struct Kept {
    identity: StrategyIdentity,
    /// By shard.
    states: Vec<Option<State>>,
}

impl Kept {
    pub(super) fn is_of(&self, strategy: &Strategy) -> bool {
        self.identity == *strategy.identity()
    }
}

/// A state that a new instance is to import.
pub(super) struct Inherited {
    pub(super) state: State,
    pub(super) name: Digest,
    /// From a store or kept from before, and not from the running instance: where it fails, the new one starts without.
    pub(super) past: bool,
}

impl<K: Kind> Slot<K> {
    /// Saves what every instance of this strategy knows. Each shard is held as long as its export takes; callers meanwhile get
    /// the fallback.
    pub(crate) fn export(&self, of: &Strategy, store: &dyn StateStore) {
        let shared = &*self.0;
        // A flip meanwhile would save what one version knows under another's name.
        let _staging = shared.staging.lock();
        let active = shared.history.lock().active.clone();
        let Some(active) = active.filter(|active| active.identity() == of.identity()) else { return };
        for index in 0..shared.shards.len() {
            if let Some(state) = shared.export(index) {
                store.save(&shared.shard_name(index), &active.plugin().manifest().name, &state);
            }
        }
    }

    /// What decides runs well: nobody goes back to what was before it by its state of then.
    pub(crate) fn trust(&self) {
        self.0.history.lock().kept = None;
    }
}

impl<K: Kind> Shared<K> {
    /// Another number of shards splits the entities otherwise.
    fn shard_name(&self, index: usize) -> String {
        format!("{index}-of-{}", self.shards.len())
    }

    /// What the running instance of a shard knows; none: it has no state, or there is none. The one call that may hold a
    /// shard's lock for long: callers meanwhile get the fallback.
    pub(super) fn export(&self, index: usize) -> Option<State> {
        let mut cell = self.shards.get(index)?.cell.lock();
        let running = cell.running.as_mut().filter(|running| running.exports)?;
        let format = running.strategy.plugin().manifest().state_format.clone()?;
        match running.instance.as_mut()?.export_state() {
            Ok(bytes) => Some(State { format, bytes: bytes.into() }),
            Err(error) => {
                // Its successor starts without, and is not asked either: it would fail every time, unless it was the machine that
                // had no time.
                running.exports = error.is_starved();
                cell.lost(self, &error);
                None
            }
        }
    }

    /// What a new instance of a shard begins with: what this very version knew before a successor that did not prove
    /// itself, else what the running instance knows, else, where none runs, what was stored.
    pub(super) fn inherited(&self, index: usize, order: &SwapOrder<'_>, exported: Option<&State>) -> Option<Inherited> {
        let format = order.strategy.plugin().manifest().state_format.as_ref()?;
        let (kept, is_empty) = {
            let history = self.history.lock();
            let kept = history.kept.as_ref().filter(|kept| kept.is_of(order.strategy));
            (kept.map(|kept| kept.states.get(index).cloned().flatten()), history.active.is_none())
        };
        let stored = kept.is_none() && exported.is_none() && is_empty;
        let past = kept.is_some() || stored;
        let state = match kept {
            Some(kept) => kept,
            None if stored => order
                .states
                .and_then(|store| store.load(&self.shard_name(index), &order.strategy.plugin().manifest().name)),
            None => exported.cloned(),
        };
        let state = state.filter(|state| state.format == *format)?;
        let name = state.name_for(order.strategy);
        if self.host.rejected_states().contains(&name) {
            tracing::warn!(shard = index, "a state is passed over: an instance failed after it had imported it");
            return None;
        }
        Some(Inherited { state, name, past })
    }

    /// After a flip away from `old`: what it knew is kept until its successor is healthy. One that had not shown that it is
    /// healthy leaves nothing: what was kept before it stays.
    pub(super) fn keep(&self, old: Option<&Strategy>, order: &SwapOrder<'_>, states: Vec<Option<State>>) {
        let mut history = self.history.lock();
        if history.kept.as_ref().is_some_and(|kept| kept.is_of(order.strategy)) {
            history.kept = None;
            return;
        }
        let Some(old) = old.filter(|_| history.kept.is_none()) else { return };
        history.kept = Some(Kept { identity: old.identity().clone(), states: states.clone() });
        drop(history);
        let Some(store) = order.states else { return };
        for (index, state) in states.iter().enumerate() {
            if let Some(state) = state {
                store.save(&self.shard_name(index), &old.plugin().manifest().name, state);
            }
        }
    }
}
