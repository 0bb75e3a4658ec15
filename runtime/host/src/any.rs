use switchyard_types::StrategyKind;

use crate::{
    HostError, Progress, SlotFigures, Strategy, SwapReport, alerting::AlertingSlot, caching::CachingSlot,
    routing::RoutingSlot, scheduling::SchedulingSlot, scoring::ScoringSlot,
};

/// What a slot is to do next. It blocks while it stages.
pub struct SwapOrder<'a> {
    /// What decides from then on.
    pub strategy: &'a Strategy,
    /// Of its random choices.
    pub seed: u64,
    /// Is told how far it is.
    pub progress: Progress,
}

impl<'a> SwapOrder<'a> {
    /// An order that nobody watches.
    pub fn new(strategy: &'a Strategy, seed: u64) -> Self {
        Self { strategy, seed, progress: Progress::default() }
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
