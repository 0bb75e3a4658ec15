//! Latencies, apart by what else was going on.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// From a nanosecond to a minute, in three significant digits.
const NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// What else was going on while an operation was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Nothing.
    Steady,
    /// From asking for a swap until a second after its flip.
    Swap,
    /// Bad plugins were being refused.
    Refusal,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Swap, Self::Refusal];
}

/// A histogram a window.
#[derive(Debug, Clone)]
pub struct Latencies(Vec<Histogram<u64>>);

/// What a histogram says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// When.
    pub window: Window,
    /// Operations measured.
    pub operations: u64,
    /// Half were at most this, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 were at most this, in microseconds.
    pub p99_us: f64,
    /// The longest, in microseconds.
    pub max_us: f64,
}

impl Latencies {
    /// Nothing measured.
    pub fn new() -> Result<Self> {
        let histograms = Window::ALL.map(|_| Histogram::new_with_bounds(1, NS_MAX, SIGNIFICANT_DIGITS));
        Ok(Self(histograms.into_iter().collect::<Result<_, _>>()?))
    }

    /// One operation more.
    pub fn record(&mut self, window: Window, took: Duration) {
        if let Some(histogram) = self.0.get_mut(window as usize) {
            histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(NS_MAX));
        }
    }

    /// Takes in what another measured.
    pub fn add(&mut self, other: &Self) -> Result<()> {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            ours.add(theirs)?;
        }
        Ok(())
    }

    /// The figures by window.
    pub fn quantiles(&self) -> Vec<Quantiles> {
        let us = |ns: u64| ns as f64 / 1_000.0;
        let quantiles = |(window, histogram): (&Window, &Histogram<u64>)| Quantiles {
            window: *window,
            operations: histogram.len(),
            p50_us: us(histogram.value_at_quantile(0.50)),
            p99_us: us(histogram.value_at_quantile(0.99)),
            max_us: us(histogram.max()),
        };
        Window::ALL.iter().zip(&self.0).map(quantiles).collect()
    }
}
