use super::window::{Span, Window};

/// A gauge or a counter.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) window: Window<f64>,
    /// What was counted before the last time the source began again.
    before: f64,
    /// What the source has counted since.
    current: f64,
    /// When the source began, by its own wall clock in nanoseconds; 0 when it does not say.
    started: u64,
}

impl Number {
    pub(crate) fn new() -> Self {
        Self { window: Window::new(), before: 0.0, current: 0.0, started: 0 }
    }

    pub(crate) fn set(&mut self, span: Span, now_ms: u64, value: f64) {
        self.window.push(span, now_ms, value);
    }

    /// A sum since the source began. What was counted before it began again stays counted, so that the series never
    /// falls and a rate is a plain difference.
    pub(crate) fn total(&mut self, span: Span, now_ms: u64, value: f64, started: u64) {
        if began_again(self.started, started) || value < self.current {
            self.before += self.current;
        }
        self.started = self.started.max(started);
        self.current = value;
        self.window.push(span, now_ms, self.before + self.current);
    }

    /// A sum since the last one.
    pub(crate) fn add(&mut self, span: Span, now_ms: u64, value: f64) {
        self.current += value;
        self.window.push(span, now_ms, self.before + self.current);
    }
}

/// Whether a source has begun again since: only a later start counts, a late parcel is no new beginning.
pub(crate) fn began_again(known: u64, started: u64) -> bool {
    known != 0 && started > known
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { slot_ms: 1, slots_max: 100 };

    #[track_caller]
    fn check(totals: &[(f64, u64)], expected: f64) {
        let mut number = Number::new();
        for (at, (value, started)) in totals.iter().enumerate() {
            number.total(SPAN, at as u64, *value, *started);
        }
        assert_eq!(number.window.last().unwrap().1, expected);
    }

    #[test]
    fn a_total_goes_on_where_its_source_begins_again() {
        check(&[(5.0, 0), (7.0, 0)], 7.0);
        check(&[(5.0, 0), (2.0, 0)], 7.0);
        check(&[(5.0, 10), (6.0, 20)], 11.0);
        check(&[(5.0, 20), (6.0, 10)], 6.0);
        check(&[(5.0, 10), (0.0, 20), (4.0, 20)], 9.0);
    }

    #[test]
    fn differences_add_up() {
        let mut number = Number::new();
        for at in 0..4 {
            number.add(SPAN, at, 2.5);
        }
        assert_eq!(number.window.last(), Some(&(3, 10.0)));
    }
}
