use parking_lot::Mutex;

/// What a window spans at least, once there is so much, in milliseconds: figures that are read every second shall not
/// jump with every request, and an alert shall not wait for the mean of a whole day to move.
const WINDOW_MS: u64 = 5_000;

/// What a route has done lately: over the last five to ten seconds where it is looked at every few seconds, else since the
/// look before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent {
    /// Requests answered.
    pub answered: u64,
    /// Of these with a status from 500.
    pub failed: u64,
}

impl Recent {
    /// Part of the answers with a status from 500, 0 to 1; none: nobody asked.
    pub fn error_ratio(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.failed as f64 / self.answered as f64)
    }

    /// Counters are read one after the other, and one may be ahead.
    fn since(self, earlier: Self) -> Self {
        let answered = self.answered.saturating_sub(earlier.answered);
        Self { answered, failed: self.failed.saturating_sub(earlier.failed).min(answered) }
    }
}

/// Totals at two earlier looks. Who looks does not matter, and how often only when it is seldom.
#[derive(Debug, Default)]
pub(crate) struct Window(Mutex<[(u64, Recent); 2]>);

impl Window {
    pub(crate) fn look(&self, now_ms: u64, total: Recent) -> Recent {
        let mut looks = self.0.lock();
        let [earlier, later] = *looks;
        if now_ms.saturating_sub(later.0) >= WINDOW_MS {
            *looks = [later, (now_ms, total)];
            return total.since(later.1);
        }
        total.since(earlier.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_what_is_older_than_two_spans() {
        let total = |answered: u64| Recent { answered, failed: answered / 2 };
        let window = Window::default();
        let check = |now_ms, answered, expected| {
            let recent = window.look(now_ms, total(answered));
            assert_eq!(recent, total(expected), "at {now_ms} ms");
        };
        check(1_000, 10, 10);
        check(5_000, 20, 20);
        check(6_000, 20, 20);
        check(10_000, 30, 10);
        check(11_000, 40, 20);
        check(20_000, 40, 10);
        check(30_000, 40, 0);
        assert_eq!((total(4).error_ratio(), Recent::default().error_ratio()), (Some(0.5), None));
    }
}
