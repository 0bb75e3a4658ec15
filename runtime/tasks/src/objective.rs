use std::{collections::BTreeMap, sync::Arc};

use switchyard_types::{Figure, FigureValue};

/// Queues whose objective is told by name: each is some forty series. What others do is told together.
const NAMED_MAX: usize = 64;
/// What the others are called: no queue can be called so.
const OTHERS: &str = "*";
/// In seconds: a worker that waits takes a task within a millisecond, and some tasks run for a day.
const BOUNDS: [f64; 16] =
    [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0];
const BUCKETS: usize = BOUNDS.len() + 1;

/// What a strategy is there for, as far as it was reached: how long tasks waited and ran, and how many were too late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objective {
    /// From when a task could run to when a worker took it.
    pub(crate) wait: Spans,
    /// From there to its acknowledgement.
    pub(crate) run: Spans,
    /// Tasks that were done after their deadline.
    pub(crate) missed: u64,
}

/// How often something took how long.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spans {
    sum_ms: u64,
    buckets: [u64; BUCKETS],
}

impl Spans {
    pub(crate) fn observe(&mut self, took_ms: u64) {
        self.sum_ms = self.sum_ms.saturating_add(took_ms);
        let seconds = took_ms as f64 / 1_000.0;
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
    }

    fn value(&self) -> FigureValue {
        FigureValue::Histogram { sum: self.sum_ms as f64 / 1_000.0, bounds: &BOUNDS, buckets: self.buckets.into() }
    }
}

/// The objective by queue. A name stays here though its queue may go, so that no count falls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objectives {
    by_queue: BTreeMap<Arc<str>, Objective>,
    others: Objective,
}

impl Objectives {
    pub(crate) fn of(&mut self, queue: &Arc<str>) -> &mut Objective {
        if self.by_queue.len() >= NAMED_MAX && !self.by_queue.contains_key(queue) {
            return &mut self.others;
        }
        self.by_queue.entry(Arc::clone(queue)).or_default()
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = Figure> {
        let others = (self.by_queue.len() >= NAMED_MAX).then_some((OTHERS, &self.others));
        self.by_queue.iter().map(|(queue, objective)| (&**queue, objective)).chain(others).flat_map(figures)
    }
}

fn figures((queue, objective): (&str, &Objective)) -> [Figure; 3] {
    let Objective { wait, run, missed } = objective;
    let spans = |name, text, spans: &Spans| Figure { value: spans.value(), ..Figure::gauge(name, "s", text, 0.0) };
    let missed = Figure::counter("tasks.deadline_missed", "{task}", "Tasks done after their deadline", *missed as f64);
    [
        spans("tasks.wait", "From when a task could run to when a worker took it", wait).with("queue", queue),
        spans("tasks.run", "From when a worker took a task to its acknowledgement", run).with("queue", queue),
        missed.with("queue", queue),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_falls_into_the_first_bucket_that_holds_it() {
        let mut spans = Spans::default();
        [0, 1, 2, 90_000_000].into_iter().for_each(|took_ms| spans.observe(took_ms));
        let FigureValue::Histogram { sum, bounds, buckets } = spans.value() else { unreachable!() };
        assert_eq!((sum, bounds.len() + 1), (90_000.003, buckets.len()));
        assert_eq!((buckets[0], buckets[1], buckets[BUCKETS - 1]), (2, 1, 1));
    }

    #[test]
    fn queues_beyond_the_bound_are_told_together() {
        let mut objectives = Objectives::default();
        for n in 0..NAMED_MAX + 9 {
            objectives.of(&Arc::from(format!("q{n}"))).missed += 1;
        }
        let missed: Vec<Figure> = objectives.list().filter(|figure| figure.name == "tasks.deadline_missed").collect();
        assert_eq!(missed.len(), NAMED_MAX + 1);
        let others = missed.iter().find(|figure| figure.to_string().contains("queue=*")).unwrap();
        assert_eq!(others.number(), Some(9.0));
    }
}
