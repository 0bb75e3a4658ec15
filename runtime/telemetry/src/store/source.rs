use super::Refusal;

/// Who sends a series: what is known of it, so that a parcel that was overtaken on its way is not taken for a new beginning.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// When it began, by its own wall clock in nanoseconds; 0 when it does not say.
    started: u64,
    /// When it took its last value, by the same clock; 0 when it does not say.
    taken: u64,
}

/// When a value was taken, by the wall clock of who sends it, in nanoseconds; 0: nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken(pub(crate) u64);

/// What a sum is to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    GoesOn,
    /// It counts from nothing: what was counted before is kept beside it.
    BeginsAgain,
}

impl Source {
    /// Takes a value that is what it is whatever came before.
    pub(crate) fn value(&mut self, Taken(taken): Taken) -> Result<(), Refusal> {
        if taken != 0 && taken < self.taken {
            return Err(Refusal::Late);
        }
        self.taken = self.taken.max(taken);
        Ok(())
    }

    /// Takes a sum since `started`, which is lower than the one before or not. It begins again with a later start, or where
    /// it falls and nobody says when it started. One of the start that is known cannot fall: it is older than it says.
    pub(crate) fn sum(&mut self, started: u64, taken: Taken, fell: bool) -> Result<Sum, Refusal> {
        if self.started != 0 && started > self.started {
            *self = Self { started, taken: taken.0 };
            return Ok(Sum::BeginsAgain);
        }
        let known = started != 0 && self.started != 0;
        if known && (started < self.started || fell) {
            return Err(Refusal::Late);
        }
        self.value(taken)?;
        self.started = self.started.max(started);
        Ok(if fell { Sum::BeginsAgain } else { Sum::GoesOn })
    }
}

#[cfg(test)]
mod tests {
    use Sum::{BeginsAgain, GoesOn};

    use super::*;

    #[track_caller]
    fn check(sums: &[(u64, u64, bool)], expected: &[Result<Sum, Refusal>]) {
        let mut source = Source::default();
        let got: Vec<_> =
            sums.iter().map(|(started, taken, fell)| source.sum(*started, Taken(*taken), *fell)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_sum_begins_again_with_a_later_start_or_where_it_falls_without_one() {
        check(&[(0, 0, false), (0, 0, true)], &[Ok(GoesOn), Ok(BeginsAgain)]);
        check(&[(10, 1, false), (20, 2, false)], &[Ok(GoesOn), Ok(BeginsAgain)]);
        check(&[(10, 9, false), (20, 2, true), (20, 3, false)], &[Ok(GoesOn), Ok(BeginsAgain), Ok(GoesOn)]);
        // It begins to say when it started.
        check(&[(0, 1, false), (10, 2, true)], &[Ok(GoesOn), Ok(BeginsAgain)]);
    }

    #[test]
    fn what_was_overtaken_is_late() {
        let late = Err(Refusal::Late);
        check(&[(10, 5, false), (10, 4, false), (10, 5, false)], &[Ok(GoesOn), late, Ok(GoesOn)]);
        check(&[(20, 5, false), (10, 6, false)], &[Ok(GoesOn), late]);
        check(&[(10, 0, false), (10, 0, true)], &[Ok(GoesOn), late]);
        check(&[(0, 5, false), (0, 4, true)], &[Ok(GoesOn), late]);
        let mut gauge = Source::default();
        let values = [5, 4, 0, 5, 6].map(|taken| gauge.value(Taken(taken)).is_ok());
        assert_eq!(values, [true, false, true, true, true]);
    }
}
