use crate::rank::Rank;

/// A life of a strategy: from when it takes over to when another does, a new instance of itself included. A later one is
/// higher.
///
/// Ranks compare only within one: to one strategy a rank is a time, to the next a length, and an instance that has lost its
/// memory counts from zero. What an earlier life has placed runs first, or it would wait for as long as new tasks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

impl Epoch {
    /// Of the first strategy after `last`. Where that is the fallback's, the fallback goes on in it.
    pub(crate) fn after(last: Option<Self>) -> Self {
        // Even ones are strategies'; each has the odd one before it for the fallback.
        Self((last.map_or(0, |last| last.0) / 2 + 1) * 2)
    }

    /// Where the fallback places tasks: before whatever the strategy of this epoch will have placed, which comes later.
    pub(crate) fn fallback(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Where a task stands among those of its queue: the lowest place runs first, of equal ones the task that was accepted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) epoch: Epoch,
    pub(crate) rank: Rank,
}

/// Where a task stands and how long it waits before it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: Place,
    pub(crate) delay_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_comes_after_all_before_it_with_the_fallback_in_between() {
        let first = Epoch::after(None);
        let second = Epoch::after(Some(first));
        assert!(first.fallback() < first && first < second.fallback() && second.fallback() < second);
        assert_eq!(Epoch::after(Some(first.fallback())), first, "the fallback is always the same");
    }
}
