use std::collections::BTreeMap;

use switchyard_types::{Measures, SlotId, SlotVersion, Window};

/// How long a window is, in milliseconds. Shorter where the version changes or the node stops.
pub(crate) const WINDOW_MS: u64 = 10_000;

/// The counters of one slot at one moment; they only grow.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reading {
    /// What decides.
    pub(crate) version: Option<SlotVersion>,
    /// By hook.
    pub(crate) measures: BTreeMap<String, Measures>,
}

/// One moment by both clocks: the first measures, the second is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) ms: u64,
    pub(crate) unix_ms: u64,
}

/// Makes windows of readings: what has been counted between two of them. Pure: readings and clocks are the caller's.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// By slot, where its window began.
    begun: BTreeMap<SlotId, (Moment, Reading)>,
}

impl Windows {
    /// The windows that end now: those that have lasted long enough, and those whose version has changed. A slot that is new
    /// begins its first one.
    ///
    /// Counters know no versions, so what was counted while one gave way to the next is told of the one that decided before:
    /// some milliseconds of calls at most, because a flip is looked at when it happens.
    pub(crate) fn take(&mut self, readings: BTreeMap<SlotId, Reading>, now: Moment) -> Vec<Window> {
        self.end(readings, now, WINDOW_MS)
    }

    /// Every window, however short.
    pub(crate) fn take_all(&mut self, readings: BTreeMap<SlotId, Reading>, now: Moment) -> Vec<Window> {
        self.end(readings, now, 0)
    }

    fn end(&mut self, readings: BTreeMap<SlotId, Reading>, now: Moment, lasted_ms: u64) -> Vec<Window> {
        self.begun.retain(|slot, _| readings.contains_key(slot));
        let mut windows = Vec::new();
        for (slot, reading) in readings {
            let Some((since, before)) = self.begun.get(&slot) else {
                self.begun.insert(slot, (now, reading));
                continue;
            };
            if before.version == reading.version && now.ms.saturating_sub(since.ms) < lasted_ms {
                continue;
            }
            windows.extend(between(&slot, *since, before, now, &reading));
            self.begun.insert(slot, (now, reading));
        }
        windows
    }
}

/// One a hook that did something.
fn between(slot: &SlotId, since: Moment, before: &Reading, now: Moment, after: &Reading) -> Vec<Window> {
    let nothing = Measures::default();
    let window = |(hook, counted): (&String, &Measures)| {
        let measures = counted.since(before.measures.get(hook).unwrap_or(&nothing));
        (!measures.is_empty()).then(|| Window {
            slot: slot.clone(),
            version: before.version.clone(),
            hook: hook.clone(),
            start_unix_ms: since.unix_ms,
            span_ms: now.ms.saturating_sub(since.ms),
            measures,
        })
    };
    after.measures.iter().filter_map(window).collect()
}

#[cfg(test)]
mod tests {
    use switchyard_types::{Digest, Generation, StrategyKind};

    use super::*;

    fn slot() -> SlotId {
        SlotId { kind: StrategyKind::Caching, target: String::new() }
    }

    fn version(counter: u64) -> SlotVersion {
        let generation = Generation { epoch: 0, counter };
        SlotVersion { strategy: "sessions".parse().unwrap(), generation, digest: Digest::of(b"plugin") }
    }

    fn readings(version: Option<SlotVersion>, calls: u64, ticks: u64) -> BTreeMap<SlotId, Reading> {
        let counted = |calls| Measures { calls, ..Measures::default() };
        let measures = [("store".to_owned(), counted(calls)), ("tick".to_owned(), counted(ticks))].into();
        [(slot(), Reading { version, measures })].into()
    }

    fn at(ms: u64) -> Moment {
        Moment { ms, unix_ms: 1_000_000 + ms }
    }

    fn told(windows: &[Window]) -> Vec<(Option<u64>, &str, u64, u64, u64)> {
        let one = |window: &Window| {
            let counter = window.version.as_ref().map(|version| version.generation.counter);
            (counter, window.start_unix_ms - 1_000_000, window.span_ms, window.measures.calls)
        };
        windows.iter().map(|w| (one(w).0, w.hook.as_str(), one(w).1, one(w).2, one(w).3)).collect()
    }

    #[test]
    fn a_window_is_the_difference_of_two_readings() {
        let mut windows = Windows::default();
        assert!(windows.take(readings(None, 5, 0), at(0)).is_empty(), "what was before is nobody's");
        assert!(windows.take(readings(None, 7, 0), at(9_999)).is_empty(), "it goes on");
        let first = windows.take(readings(None, 9, 0), at(10_001));
        assert_eq!(told(&first), [(None, "store", 0, 10_001, 4)]);
        assert!(windows.take(readings(None, 9, 0), at(30_000)).is_empty(), "nothing happened");
        let later = windows.take(readings(None, 10, 1), at(40_000));
        assert_eq!(told(&later), [(None, "store", 30_000, 10_000, 1), (None, "tick", 30_000, 10_000, 1)]);
    }

    #[test]
    fn another_version_begins_another_window() {
        let mut windows = Windows::default();
        windows.take(readings(None, 0, 0), at(0));
        let fallback = windows.take(readings(Some(version(1)), 3, 0), at(100));
        assert_eq!(told(&fallback), [(None, "store", 0, 100, 3)]);
        let first = windows.take(readings(Some(version(2)), 10, 0), at(300));
        assert_eq!(told(&first), [(Some(1), "store", 100, 200, 7)]);
        let last = windows.take_all(readings(Some(version(2)), 11, 0), at(301));
        assert_eq!(told(&last), [(Some(2), "store", 300, 1, 1)]);
    }

    #[test]
    fn a_slot_that_goes_takes_its_counters_with_it() {
        let mut windows = Windows::default();
        windows.take(readings(None, 50, 0), at(0));
        assert!(windows.take(BTreeMap::new(), at(20_000)).is_empty());
        assert!(windows.take(readings(None, 1, 0), at(40_000)).is_empty(), "it begins anew");
        assert!(windows.take(readings(None, 0, 0), at(60_000)).is_empty(), "counters that fall count nothing");
    }
}
