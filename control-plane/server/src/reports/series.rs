use std::collections::BTreeMap;

use switchyard_types::{
    Digest, Generation, HookReport, Measures, NodeId, SlotId, SlotVersion, SpanFigures, StrategyName, Window,
};

/// Hooks under versions that are kept: those that were told of last.
const SERIES_MAX: usize = 1_024;
/// Two spans are shown, and each is made of the buckets of one ring.
const MINUTE_MS: u64 = 60_000;
const FINE: Resolution = Resolution { width_ms: 10_000, span_ms: MINUTE_MS };
const COARSE: Resolution = Resolution { width_ms: MINUTE_MS, span_ms: 10 * MINUTE_MS };

/// Figures of the whole fleet: by slot, version and hook, merged over the nodes. A window counts where it ended; what ended
/// longer ago than anybody asks for is passed over, and what ends in our future, because clocks differ, ends now.
#[derive(Default)]
pub(super) struct AllSeries(BTreeMap<Key, Series>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    slot: SlotId,
    /// In the order in which they were declared.
    version: Option<(StrategyName, Generation, Digest)>,
    hook: String,
}

struct Series {
    fine: Ring,
    coarse: Ring,
    /// When each node was last told of.
    nodes: BTreeMap<NodeId, u64>,
    /// In which minute those were forgotten that have told nothing for long: with every window it would cost a look at all of them.
    pruned: u64,
    newest_ms: u64,
}

#[derive(Clone, Copy)]
struct Resolution {
    width_ms: u64,
    span_ms: u64,
}

/// The buckets of the last span, by their number since 1970.
struct Ring {
    resolution: Resolution,
    buckets: BTreeMap<u64, Measures>,
}

impl AllSeries {
    pub(super) fn add(&mut self, node: &NodeId, window: Window, now_ms: u64) {
        let end_ms = window.start_unix_ms.saturating_add(window.span_ms).min(now_ms);
        if now_ms.saturating_sub(end_ms) > COARSE.span_ms {
            return;
        }
        let Window { slot, version, hook, measures, .. } = window;
        let version = version.map(|version| (version.strategy, version.generation, version.digest));
        let key = Key { slot, version, hook };
        if self.0.len() >= SERIES_MAX && !self.0.contains_key(&key) {
            let oldest = self.0.iter().min_by_key(|(_, series)| series.newest_ms).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.entry(key).or_insert_with(Series::new).add(node, &measures, end_ms, now_ms);
    }

    pub(super) fn figures(&mut self, strategy: Option<&StrategyName>, now_ms: u64) -> Vec<HookReport> {
        self.0.retain(|_, series| {
            series.forget_the_future(now_ms);
            now_ms.saturating_sub(series.newest_ms) <= COARSE.span_ms
        });
        let wanted = |key: &Key| match (strategy, &key.version) {
            (None, _) => true,
            (Some(strategy), Some((name, ..))) => name == strategy,
            (Some(_), None) => false,
        };
        let report = |(key, series): (&Key, &Series)| HookReport {
            slot: key.slot.clone(),
            version: key.version.clone().map(version),
            hook: key.hook.clone(),
            last_1m: series.over(&series.fine, now_ms),
            last_10m: series.over(&series.coarse, now_ms),
        };
        self.0.iter().filter(|(key, _)| wanted(key)).map(report).collect()
    }
}

fn version((strategy, generation, digest): (StrategyName, Generation, Digest)) -> SlotVersion {
    SlotVersion { strategy, generation, digest }
}

impl Series {
    fn new() -> Self {
        let ring = |resolution| Ring { resolution, buckets: BTreeMap::new() };
        Self { fine: ring(FINE), coarse: ring(COARSE), nodes: BTreeMap::new(), pruned: 0, newest_ms: 0 }
    }

    fn add(&mut self, node: &NodeId, measures: &Measures, end_ms: u64, now_ms: u64) {
        self.forget_the_future(now_ms);
        self.newest_ms = self.newest_ms.max(end_ms);
        let minute = now_ms / COARSE.width_ms;
        if std::mem::replace(&mut self.pruned, minute) != minute {
            self.nodes.retain(|_, last_ms| now_ms.saturating_sub(*last_ms) <= COARSE.span_ms);
        }
        let last_ms = self.nodes.entry(node.clone()).or_default();
        *last_ms = end_ms.max(*last_ms);
        self.fine.add(measures, end_ms, now_ms);
        self.coarse.add(measures, end_ms, now_ms);
    }

    /// What was counted in our future was so before the time of day was put back: it would stay the newest until that time comes
    /// again.
    fn forget_the_future(&mut self, now_ms: u64) {
        if self.newest_ms <= now_ms {
            return;
        }
        self.newest_ms = now_ms;
        self.nodes.retain(|_, last_ms| *last_ms <= now_ms);
        for ring in [&mut self.fine, &mut self.coarse] {
            let current = now_ms / ring.resolution.width_ms;
            ring.buckets.retain(|bucket, _| *bucket <= current);
        }
    }

    fn over(&self, ring: &Ring, now_ms: u64) -> SpanFigures {
        let span_ms = ring.resolution.span_ms;
        let nodes = self.nodes.values().filter(|last_ms| now_ms.saturating_sub(**last_ms) <= span_ms).count();
        SpanFigures::new(&ring.sum(now_ms), nodes, span_ms / 1_000)
    }
}

impl Ring {
    /// The first bucket of the span that ends now.
    fn first(&self, now_ms: u64) -> u64 {
        let Resolution { width_ms, span_ms } = self.resolution;
        (now_ms / width_ms + 1).saturating_sub(span_ms / width_ms)
    }

    fn add(&mut self, measures: &Measures, end_ms: u64, now_ms: u64) {
        let first = self.first(now_ms);
        self.buckets.retain(|bucket, _| *bucket >= first);
        let bucket = end_ms / self.resolution.width_ms;
        if bucket >= first {
            self.buckets.entry(bucket).or_default().merge(measures);
        }
    }

    fn sum(&self, now_ms: u64) -> Measures {
        let mut sum = Measures::default();
        self.buckets.range(self.first(now_ms)..).for_each(|(_, measures)| sum.merge(measures));
        sum
    }
}

#[cfg(test)]
mod tests {
    use switchyard_types::StrategyKind;

    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn window(strategy: Option<&str>, start_unix_ms: u64, calls: u64) -> Window {
        let mut measures = Measures { calls, ..Measures::default() };
        measures.latency.record(50, calls);
        let version = |name: &str| SlotVersion {
            strategy: name.parse().unwrap(),
            generation: Generation::default(),
            digest: Digest::of(b"plugin"),
        };
        Window {
            slot: SlotId { kind: StrategyKind::Caching, target: String::new() },
            version: strategy.map(version),
            hook: "store".to_owned(),
            start_unix_ms,
            span_ms: 10_000,
            measures,
        }
    }

    fn shown(series: &mut AllSeries, strategy: Option<&str>, now_ms: u64) -> Vec<(usize, u64, usize, u64)> {
        let strategy = strategy.map(|name| name.parse().unwrap());
        let row = |report: HookReport| {
            (report.last_1m.nodes, report.last_1m.calls, report.last_10m.nodes, report.last_10m.calls)
        };
        series.figures(strategy.as_ref(), now_ms).into_iter().map(row).collect()
    }

    #[test]
    fn windows_of_nodes_are_merged_and_age() {
        let mut series = AllSeries::default();
        let [a, b] = ["node-a", "node-b"].map(|id| id.parse::<NodeId>().unwrap());
        series.add(&a, window(Some("s"), NOW - 10_000, 60), NOW);
        series.add(&b, window(Some("s"), NOW - 30_000, 30), NOW);
        series.add(&b, window(Some("s"), NOW - 200_000, 100), NOW);
        series.add(&b, window(None, NOW - 10_000, 7), NOW);
        assert_eq!(shown(&mut series, Some("s"), NOW), [(2, 90, 2, 190)]);
        assert_eq!(shown(&mut series, None, NOW), [(1, 7, 1, 7), (2, 90, 2, 190)]);
        assert_eq!(shown(&mut series, Some("t"), NOW), []);
        let strategy = "s".parse().unwrap();
        let report = &series.figures(Some(&strategy), NOW)[0];
        assert_eq!((report.last_1m.rate, report.last_1m.latency_p99_ns), (1.5, 50));
        assert_eq!(shown(&mut series, Some("s"), NOW + 120_000), [(0, 0, 2, 190)]);
        assert_eq!(shown(&mut series, None, NOW + 700_000), [], "nobody has told of it for long");
    }

    #[test]
    fn clocks_that_differ_do_no_harm() {
        let mut series = AllSeries::default();
        let node = "node-a".parse().unwrap();
        series.add(&node, window(Some("s"), NOW + 3_600_000, 5), NOW);
        series.add(&node, window(Some("s"), NOW - 3_600_000, 9), NOW);
        series.add(&node, window(Some("s"), u64::MAX, 1), NOW);
        assert_eq!(shown(&mut series, Some("s"), NOW), [(1, 6, 1, 6)]);
    }

    #[test]
    fn nodes_that_tell_nothing_are_forgotten_and_looked_for_once_a_minute() {
        let mut series = AllSeries::default();
        let add = |series: &mut AllSeries, node: &str, now_ms: u64| {
            series.add(&node.parse().unwrap(), window(Some("s"), now_ms - 10_000, 1), now_ms);
            series.0.values().map(|series| series.nodes.len()).sum::<usize>()
        };
        let minute = NOW - NOW % MINUTE_MS;
        assert_eq!(add(&mut series, "node-a", minute), 1);
        let later = minute + COARSE.span_ms + MINUTE_MS;
        assert_eq!(add(&mut series, "node-b", later - MINUTE_MS), 2, "it is still part of the last ten minutes");
        assert_eq!(add(&mut series, "node-c", later - 1), 2 + 1, "and is looked for once a minute");
        assert_eq!(add(&mut series, "node-c", later), 2);
    }

    #[test]
    fn what_was_counted_before_the_time_of_day_was_put_back_is_of_no_last_minute() {
        const DAYS: u64 = 10 * 86_400_000;
        let mut series = AllSeries::default();
        let [a, b] = ["node-a", "node-b"].map(|id| id.parse::<NodeId>().unwrap());
        series.add(&a, window(Some("s"), DAYS + NOW - 10_000, 60), DAYS + NOW);
        series.add(&b, window(Some("t"), DAYS + NOW - 10_000, 30), DAYS + NOW);
        assert_eq!(shown(&mut series, Some("s"), NOW), [(0, 0, 0, 0)]);
        series.add(&a, window(Some("s"), NOW - 10_000, 7), NOW);
        assert_eq!(shown(&mut series, None, NOW), [(1, 7, 1, 7), (0, 0, 0, 0)]);
        assert_eq!(shown(&mut series, Some("t"), NOW + COARSE.span_ms + 1), [], "it ages as if it were new");
    }

    #[test]
    fn versions_have_a_bound() {
        let mut series = AllSeries::default();
        let node = "node-a".parse().unwrap();
        for n in 0..SERIES_MAX as u64 + 5 {
            series.add(&node, window(Some(&format!("s{n}")), NOW - 20_000 + n, 1), NOW);
        }
        assert_eq!(series.0.len(), SERIES_MAX);
        assert!(shown(&mut series, Some("s0"), NOW).is_empty() && !shown(&mut series, Some("s1028"), NOW).is_empty());
    }
}
