use super::{
    source::Sum,
    window::{Span, Window},
};

/// A gauge or a counter.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) window: Window<f64>,
    /// What was counted before the last time the source began again.
    before: f64,
    /// What the source has counted since.
    current: f64,
}

impl Number {
    pub(crate) fn new() -> Self {
        Self { window: Window::new(), before: 0.0, current: 0.0 }
    }

    pub(crate) fn set(&mut self, span: Span, now_ms: u64, value: f64) {
        self.window.push(span, now_ms, value);
    }

    /// A sum since the source began. What was counted before it began again stays counted, so that the series never
    /// falls and a rate is a plain difference.
    pub(crate) fn total(&mut self, span: Span, now_ms: u64, value: f64, sum: Sum) {
        if sum == Sum::BeginsAgain {
            self.before += self.current;
        }
        self.current = value;
        self.window.push(span, now_ms, self.before + self.current);
    }

    /// Whether a sum since the beginning is lower than the one before.
    pub(crate) fn falls(&self, value: f64) -> bool {
        value < self.current
    }

    /// A sum since the last one.
    pub(crate) fn add(&mut self, span: Span, now_ms: u64, value: f64) {
        self.current += value;
        self.window.push(span, now_ms, self.before + self.current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { slot_ms: 1, slots_max: 100 };

    #[test]
    fn a_total_goes_on_where_its_source_begins_again() {
        let mut number = Number::new();
        for (at, (value, sum)) in [(5.0, Sum::GoesOn), (0.0, Sum::BeginsAgain), (4.0, Sum::GoesOn)].iter().enumerate() {
            number.total(SPAN, at as u64, *value, *sum);
        }
        assert_eq!(number.window.last(), Some(&(2, 9.0)));
        assert_eq!([3.0, 4.0, 5.0].map(|value| number.falls(value)), [true, false, false]);
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
