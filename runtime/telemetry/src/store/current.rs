use super::{Data, Entry, Kind, Origin, Reading, Store, number::Number, window::Window};
use crate::Series;

impl Store {
    /// One figure of every series that has one, in no order: a gauge's last value; a counter's rate a second and a
    /// histogram's mean since `since_ms`. Where nothing has come since, what came last is what is known: clients post
    /// once a minute, and are asked about every few seconds.
    pub(crate) fn figures_since(&self, since_ms: u64) -> Vec<Reading> {
        let figure = |kind: Kind, series: &Series, entry: &Entry| {
            let value = entry.figure_since(kind, since_ms).filter(|value| value.is_finite())?;
            Some(Reading { series: series.clone(), value, at_ms: entry.touched_ms })
        };
        let families = self.families.values();
        let figures = families.flat_map(|family| {
            family.series.iter().filter_map(move |(series, entry)| figure(family.kind, series, entry))
        });
        figures.collect()
    }

    /// The mean of everything that a metric's series observed since `since_ms`, or last; of gauges, of what is now. Where the
    /// node itself has one over everything, which is without labels, that one alone.
    pub(crate) fn mean_since(&self, metric: &str, since_ms: u64) -> Option<f64> {
        let family = self.families.get(metric)?;
        let whole = family.series.get(&Series::new(metric, Vec::new())).filter(|entry| entry.origin == Origin::Own);
        if let Some(whole) = whole {
            return whole.figure_since(family.kind, since_ms);
        }
        let observed = family.series.values().filter_map(|entry| entry.observed_since(since_ms));
        let (sum, count) = observed.fold((0.0, 0.0), |(sum, count), (more, times)| (sum + more, count + times));
        let mean = sum / count;
        mean.is_finite().then_some(mean)
    }
}

impl Entry {
    fn figure_since(&self, kind: Kind, since_ms: u64) -> Option<f64> {
        match &self.data {
            Data::Number(number) if kind == Kind::Counter => number.rate_since(since_ms),
            Data::Number(number) => number.window.last().map(|(_, value)| *value),
            Data::Histogram(histogram) => histogram.mean(newest(&histogram.window, since_ms)?),
        }
    }

    /// A sum, and of how many.
    fn observed_since(&self, since_ms: u64) -> Option<(f64, f64)> {
        match &self.data {
            Data::Number(number) => number.window.last().map(|(_, value)| (*value, 1.0)),
            Data::Histogram(histogram) => histogram.observed(newest(&histogram.window, since_ms)?),
        }
    }
}

impl Number {
    fn rate_since(&self, since_ms: u64) -> Option<f64> {
        self.rate(newest(&self.window, since_ms)?)
    }
}

/// `since_ms` where something has come after it, else just before the last value.
fn newest<T>(window: &Window<T>, since_ms: u64) -> Option<u64> {
    let (last_ms, _) = window.last()?;
    Some(since_ms.min(last_ms.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, Meta, Value};
    use super::*;

    fn put(store: &mut Store, now_ms: u64, name: &str, kind: Kind, value: Value) {
        let meta = Meta { name, unit: "", description: "", kind };
        store.put(now_ms, Origin::Posted, meta, std::iter::empty(), value).unwrap();
    }

    fn histogram(sum: f64, count: u64) -> Value {
        Value::Counts { bounds: [1.0].into(), counts: Counts { sum, buckets: [count, 0].into() }, started: Some(1) }
    }

    #[track_caller]
    fn check(store: &Store, since_ms: u64, name: &str, expected: Option<f64>) {
        let figures = store.figures_since(since_ms);
        let figure = figures.iter().find(|reading| &**reading.series.metric() == name);
        assert_eq!(figure.map(|reading| reading.value), expected, "{name} since {since_ms}");
    }

    #[test]
    fn what_came_last_is_known_until_something_newer_comes() {
        let mut store = Store::new(100, 600_000);
        put(&mut store, 0, "g", Kind::Gauge, Value::Now(5.0));
        put(&mut store, 0, "c", Kind::Counter, Value::Total { value: 100.0, started: 1 });
        put(&mut store, 0, "h", Kind::Histogram, histogram(10.0, 10));
        check(&store, 0, "g", Some(5.0));
        check(&store, 0, "c", None);
        check(&store, 0, "h", None);
        put(&mut store, 60_000, "c", Kind::Counter, Value::Total { value: 160.0, started: 1 });
        put(&mut store, 60_000, "h", Kind::Histogram, histogram(40.0, 20));
        for since_ms in [55_000, 60_000, 65_000, 115_000] {
            check(&store, since_ms, "c", Some(1.0));
            check(&store, since_ms, "h", Some(3.0));
        }
        assert_eq!(store.mean_since("h", 65_000), Some(3.0));
        // Nobody was served: there is no mean, and the rate is none.
        put(&mut store, 120_000, "c", Kind::Counter, Value::Total { value: 160.0, started: 1 });
        put(&mut store, 120_000, "h", Kind::Histogram, histogram(40.0, 20));
        check(&store, 115_000, "c", Some(0.0));
        check(&store, 115_000, "h", None);
        assert_eq!((store.mean_since("h", 115_000), store.mean_since("g", 0)), (None, Some(5.0)));
        assert_eq!(store.mean_since("x", 0), None);
    }
}
