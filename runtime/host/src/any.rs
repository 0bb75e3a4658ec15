use switchyard_types::StrategyKind;

use crate::{
    HostError, SlotFigures, Strategy, SwapReport, alerting::AlertingSlot, caching::CachingSlot, routing::RoutingSlot,
    scheduling::SchedulingSlot, scoring::ScoringSlot,
};

/// A slot of any kind, for whoever swaps strategies and asks nothing.
pub trait StrategySlot: Send + Sync {
    /// What it decides about.
    fn kind(&self) -> StrategyKind;

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError>;

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

            fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
                <$slot>::swap(self, strategy, seed)
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
