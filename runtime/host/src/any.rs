use switchyard_types::StrategyKind;

use crate::{
    HostError, Progress, SlotFigures, StateStore, Strategy, SwapReport, alerting::AlertingSlot, caching::CachingSlot,
    routing::RoutingSlot, scheduling::SchedulingSlot, scoring::ScoringSlot,
};

/// What a slot is to do next.
#[derive(Clone)]
pub struct SwapOrder<'a> {
    pub(crate) strategy: &'a Strategy,
    pub(crate) seed: u64,
    pub(crate) progress: Progress,
    pub(crate) states: Option<&'a dyn StateStore>,
}

impl<'a> SwapOrder<'a> {
    /// This strategy decides from then on, with a seed for its random choices. Nobody watches, and an instance that has no
    /// predecessor begins with nothing.
    pub fn new(strategy: &'a Strategy, seed: u64) -> Self {
        Self { strategy, seed, progress: Progress::default(), states: None }
    }

    /// With somebody who is told how far it is.
    pub fn watched(self, progress: &Progress) -> Self {
        Self { progress: progress.clone(), ..self }
    }

    /// With states for instances that have no predecessor, and a place for those of the predecessors.
    pub fn with_states(self, states: &'a dyn StateStore) -> Self {
        Self { states: Some(states), ..self }
    }

    /// What decides from then on.
    pub fn strategy(&self) -> &Strategy {
        self.strategy
    }

    /// Of its random choices.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where states are, for a slot that is made of several.
    pub fn states(&self) -> Option<&'a dyn StateStore> {
        self.states
    }
}

/// A slot of any kind, for whoever swaps strategies and asks nothing.
pub trait StrategySlot: Send + Sync {
    /// What it decides about.
    fn kind(&self) -> StrategyKind;

    /// Lets another strategy decide from now on; the same strategy again changes nothing. Blocks while it stages.
    fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError>;

    /// The same with nothing but the strategy.
    fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// Saves what the instances of this strategy know and their tables do not; nothing, if another decides. Waits for a staging,
    /// and each shard is held while it is asked.
    fn export(&self, of: &Strategy, store: &dyn StateStore);

    /// What decides has shown that it runs well: what its predecessor knew is given up.
    fn trust(&self);

    /// Ends a quarantine now, because somebody has asked for the strategy again.
    fn retry(&self);

    /// Back to the built-in fallback.
    fn clear(&self);

    /// What the slot has done. Takes each shard's lock for a moment.
    fn figures(&self) -> SlotFigures;
}

macro_rules! slot {
    ($($slot:ty => $kind:ident),*) => {$(
        impl StrategySlot for $slot {
            fn kind(&self) -> StrategyKind {
                StrategyKind::$kind
            }

            fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
                <$slot>::swap_with(self, order)
            }

            fn export(&self, of: &Strategy, store: &dyn StateStore) {
                self.slot().export(of, store);
            }

            fn trust(&self) {
                self.slot().trust();
            }

            fn retry(&self) {
                self.slot().retry();
            }

            fn clear(&self) {
                <$slot>::clear(self);
            }

            fn figures(&self) -> SlotFigures {
                <$slot>::figures(self)
            }
        }
    )*};
}

slot!(
    AlertingSlot => Alerting,
    CachingSlot => Caching,
    RoutingSlot => Routing,
    SchedulingSlot => Scheduling,
    ScoringSlot => Scoring
);
