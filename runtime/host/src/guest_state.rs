use std::{sync::Arc, time::Instant};

use wasmtime::ResourceLimiter;

use crate::{
    bindings::{Level, host},
    gauges::InstanceGuard,
    meter::Meter,
};

/// Own counters and gauges that a plugin may have.
pub(crate) const METRICS_MAX: usize = 32;
/// Lines of the log that one instance may write in a second.
const LOG_LINES_PER_SECOND_MAX: u32 = 10;
/// Characters of one line; the rest is cut.
const LOG_LINE_CHARS_MAX: usize = 512;

/// What the host keeps beside each instance: its limits, and what its imports write to.
#[derive(Debug)]
pub(crate) struct GuestState {
    pub(crate) meter: Meter,
    pub(crate) memory: MemoryLimiter,
    pub(crate) metrics: Metrics,
    pub(crate) log: LogLimiter,
}

impl GuestState {
    pub(crate) fn new(name: Arc<str>, memory_bytes: u64, guard: InstanceGuard) -> Self {
        Self {
            meter: Meter::default(),
            memory: MemoryLimiter {
                limit_bytes: memory_bytes.min(guard.class().memory_bytes_max()),
                denied: false,
                guard,
            },
            metrics: Metrics::default(),
            log: LogLimiter { name, window: Instant::now(), lines: 0, dropped: 0, dropped_before: 0 },
        }
    }
}

impl host::Host for GuestState {
    fn log(&mut self, level: Level, message: String) {
        self.log.line(level, &message);
    }

    fn count(&mut self, counter: u32, delta: u64) {
        self.metrics.count(counter, delta);
    }

    fn set(&mut self, gauge: u32, value: f64) {
        self.metrics.set(gauge, value);
    }
}

/// Bounds linear memory and remembers that it said no: a guest that then traps ran out of memory.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    pub(crate) limit_bytes: u64,
    pub(crate) denied: bool,
    guard: InstanceGuard,
}

impl MemoryLimiter {
    pub(crate) fn bytes(&self) -> u64 {
        self.guard.bytes()
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired as u64 <= self.limit_bytes;
        self.denied |= !allowed;
        if allowed {
            self.guard.grown_to(desired as u64);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.guard.class().table_elements_max();
        self.denied |= !allowed;
        Ok(allowed)
    }
}

/// The plugin's own counters and gauges, by declared index.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) counters: Vec<u64>,
    pub(crate) gauges: Vec<f64>,
    /// Calls with an index that was not declared.
    pub(crate) undeclared: u64,
}

impl Metrics {
    pub(crate) fn declare(&mut self, counters: usize, gauges: usize) {
        self.counters = vec![0; counters.min(METRICS_MAX)];
        self.gauges = vec![0.0; gauges.min(METRICS_MAX)];
    }

    fn count(&mut self, index: u32, delta: u64) {
        match self.counters.get_mut(index as usize) {
            Some(counter) => *counter = counter.saturating_add(delta),
            None => self.undeclared += 1,
        }
    }

    fn set(&mut self, index: u32, value: f64) {
        match self.gauges.get_mut(index as usize) {
            Some(gauge) if value.is_finite() => *gauge = value,
            _ => self.undeclared += 1,
        }
    }
}

/// Lets a few lines a second through and says how many it did not.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    name: Arc<str>,
    window: Instant,
    lines: u32,
    /// In this window, and in those before.
    dropped: u64,
    dropped_before: u64,
}

impl LogLimiter {
    fn line(&mut self, level: Level, message: &str) {
        if self.lines >= LOG_LINES_PER_SECOND_MAX && self.window.elapsed().as_secs() < 1 {
            self.dropped += 1;
            return;
        }
        if self.window.elapsed().as_secs() >= 1 {
            self.open_window();
        }
        self.lines += 1;
        let text = inert(message);
        match level {
            Level::Debug => tracing::debug!(plugin = &*self.name, "{text}"),
            Level::Info => tracing::info!(plugin = &*self.name, "{text}"),
            Level::Warn => tracing::warn!(plugin = &*self.name, "{text}"),
            Level::Error => tracing::error!(plugin = &*self.name, "{text}"),
        }
    }

    /// Lines that were not let through.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped + self.dropped_before
    }

    fn open_window(&mut self) {
        if self.dropped > 0 {
            tracing::warn!(plugin = &*self.name, dropped = self.dropped, "log lines over the limit were dropped");
        }
        self.dropped_before += self.dropped;
        (self.window, self.lines, self.dropped) = (Instant::now(), 0, 0);
    }
}

/// [`inert`], for a text with a bound of its own in bytes.
pub(crate) fn inert_cut(text: &str, bytes_max: usize) -> String {
    let mut text = inert(text);
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// A plugin's text, cut and without control characters: it goes into logs, statuses and terminals.
pub(crate) fn inert(message: &str) -> String {
    let mut text = String::with_capacity(message.len().min(LOG_LINE_CHARS_MAX));
    for char in message.chars().take(LOG_LINE_CHARS_MAX) {
        if char.is_control() { text.extend(char.escape_default()) } else { text.push(char) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_text_is_cut_and_inert() {
        assert_eq!(inert("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(inert(&"é".repeat(10_000)).chars().count(), LOG_LINE_CHARS_MAX);
    }

    #[test]
    fn undeclared_metrics_are_ignored_and_counted() {
        let mut metrics = Metrics::default();
        metrics.declare(1, 1);
        metrics.count(0, u64::MAX);
        metrics.count(0, 1);
        metrics.count(1, 1);
        metrics.set(0, 0.5);
        metrics.set(0, f64::NAN);
        metrics.set(u32::MAX, 1.0);
        assert_eq!((metrics.counters, metrics.gauges, metrics.undeclared), (vec![u64::MAX], vec![0.5], 3));
    }
}
