use std::collections::VecDeque;

/// How much a window keeps: a value a slot of time, for so many slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) slot_ms: u64,
    pub(crate) slots_max: usize,
}

impl Span {
    /// A span that covers `retention_ms` with at most `slots_max` values.
    pub(crate) fn new(retention_ms: u64, slots_max: usize) -> Self {
        Self { slot_ms: (retention_ms / slots_max as u64).max(1), slots_max }
    }
}

/// The last values of a series, oldest first, at most one a slot of time: the newest of a slot stays. Somebody who posts a
/// thousand times a second has the same memory and the same reach as everybody else.
#[derive(Debug)]
pub(crate) struct Window<T> {
    values: VecDeque<(u64, T)>,
}

impl<T> Window<T> {
    pub(crate) fn new() -> Self {
        Self { values: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, span: Span, now_ms: u64, value: T) {
        match self.values.back_mut() {
            Some(last) if last.0 / span.slot_ms >= now_ms / span.slot_ms => *last = (last.0.max(now_ms), value),
            _ => {
                if self.values.len() >= span.slots_max {
                    self.values.pop_front();
                }
                self.values.push_back((now_ms, value));
            }
        }
    }

    pub(crate) fn last(&self) -> Option<&(u64, T)> {
        self.values.back()
    }

    /// Values not older than `since_ms`, oldest first.
    pub(crate) fn since(&self, since_ms: u64) -> impl Iterator<Item = &(u64, T)> {
        self.values.iter().skip_while(move |(at, _)| *at < since_ms)
    }

    /// What a difference up to the last value is taken from: the last value before `since_ms` or at it, else the oldest
    /// one; none where that is the last one itself.
    pub(crate) fn base(&self, since_ms: u64) -> Option<&(u64, T)> {
        let before = self.values.iter().take_while(|(at, _)| *at <= since_ms).last();
        let base = before.or_else(|| self.values.front())?;
        (base.0 < self.last()?.0).then_some(base)
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_of_a_slot_and_so_many_slots() {
        let span = Span { slot_ms: 10, slots_max: 3 };
        let mut window = Window::new();
        for at in 0..100 {
            window.push(span, at, at);
        }
        let kept: Vec<_> = window.since(0).copied().collect();
        assert_eq!(kept, [(79, 79), (89, 89), (99, 99)]);
        assert_eq!(window.base(90), Some(&(89, 89)));
        assert_eq!(window.base(5), Some(&(79, 79)));
        assert_eq!(window.base(99), None);
    }
}
