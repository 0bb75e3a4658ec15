use std::collections::HashMap;

use switchyard_host::alerting::{Columns, Verdict};

use super::numbers::Numbers;
use crate::{Reading, Series};

/// Rows of one call, far fewer than the contract allows: where every row breaks sixteen rules the answer still holds all verdicts.
/// A call has 10 ms of processor time, and one verdict with its sentences takes some microseconds of it: more rows a call
/// would stop a strategy on the day on which everything is wrong. A call costs 10 microseconds beside them.
const CALL_ROWS_MAX: usize = 256;
/// Bytes of names and labels in one call, for the same reason: they are looked at too.
const CALL_TEXT_BYTES_MAX: usize = 256 << 10;

/// What one evaluation is about: parallel, ordered by series, so that a series is always in the same place of the same
/// call as long as none is added or removed.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) series: Vec<Series>,
    /// When the last value of each came.
    pub(super) touched_ms: Vec<u64>,
    numbers: Vec<u64>,
    values: Vec<f64>,
}

impl Rows {
    /// Rows of these readings, which are ordered.
    pub(super) fn of(readings: Vec<Reading>, numbers: &mut Numbers) -> Self {
        let values = readings.iter().map(|reading| reading.value).collect();
        let touched_ms = readings.iter().map(|reading| reading.at_ms).collect();
        let series: Vec<_> = readings.into_iter().map(|reading| reading.series).collect();
        Self { numbers: series.iter().map(|series| numbers.of(series)).collect(), values, touched_ms, series }
    }

    /// As they cross, within the bounds of a call. One call at least: a strategy is asked also where there is nothing.
    pub(super) fn calls(&self) -> Vec<Columns> {
        let mut calls = vec![Call::default()];
        for ((series, number), value) in self.series.iter().zip(&self.numbers).zip(&self.values) {
            if calls.last().is_some_and(Call::is_full) {
                calls.push(Call::default());
            }
            if let Some(call) = calls.last_mut() {
                call.push(series, *number, *value);
            }
        }
        calls.into_iter().map(|call| call.columns).collect()
    }

    /// The verdicts with their series; the slot has let through none on another.
    pub(super) fn name(&self, verdicts: Vec<Verdict>) -> Vec<(Series, Verdict)> {
        if verdicts.is_empty() {
            return Vec::new();
        }
        let known: HashMap<u64, &Series> = self.numbers.iter().copied().zip(&self.series).collect();
        let named = |verdict: Verdict| Some(((*known.get(&verdict.series)?).clone(), verdict));
        verdicts.into_iter().filter_map(named).collect()
    }
}

#[derive(Default)]
struct Call {
    columns: Columns,
    /// The name that was written last, and where: rows of one metric stand together.
    name: Option<(std::sync::Arc<str>, u32)>,
}

impl Call {
    fn is_full(&self) -> bool {
        self.columns.series.len() >= CALL_ROWS_MAX || self.columns.texts.bytes.len() >= CALL_TEXT_BYTES_MAX
    }

    fn push(&mut self, series: &Series, number: u64, value: f64) {
        let texts = &mut self.columns.texts;
        let name = match &self.name {
            Some((name, index)) if name == series.metric() => Some(*index),
            _ => texts.push(series.metric()),
        };
        // Never none: a call has far fewer bytes than offsets can count.
        let (Some(name), Some(labels)) = (name, texts.push(&series.labels_text())) else { return };
        self.name = Some((series.metric().clone(), name));
        self.columns.series.push(number);
        self.columns.name.push(name);
        self.columns.labels.push(labels);
        self.columns.value.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Rows {
        let series =
            |n: usize| Series::new("m", vec![("b".into(), "x\"".into()), ("a".into(), format!("{n:05}").into())]);
        let readings = (0..count).map(|n| Reading { series: series(n), value: n as f64, at_ms: 0 }).collect();
        Rows::of(readings, &mut Numbers::default())
    }

    #[test]
    fn names_are_written_once_and_labels_as_the_contract_says() {
        let calls = rows(2).calls();
        assert_eq!(calls.len(), 1);
        let texts = String::from_utf8(calls[0].texts.bytes.clone()).unwrap();
        assert_eq!(texts, r#"ma="00000",b="x\""a="00001",b="x\"""#);
        assert_eq!((&calls[0].name, &calls[0].labels), (&vec![0, 0], &vec![1, 2]));
        assert_eq!((&calls[0].series, &calls[0].value), (&vec![1, 2], &vec![0.0, 1.0]));
    }

    #[test]
    fn a_call_is_bounded_and_there_is_one_at_least() {
        let lengths = |count| rows(count).calls().iter().map(|call| call.series.len()).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0]);
        assert_eq!(lengths(CALL_ROWS_MAX), [CALL_ROWS_MAX]);
        assert_eq!(lengths(2 * CALL_ROWS_MAX + 1), [CALL_ROWS_MAX, CALL_ROWS_MAX, 1]);
    }
}
