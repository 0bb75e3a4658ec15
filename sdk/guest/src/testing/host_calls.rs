use std::{cell::RefCell, collections::VecDeque};

use crate::lifecycle::Level;

/// A test looks at the last few calls; a strategy that counts every access must not fill the memory.
const HOST_CALLS_MAX: usize = 4096;

thread_local! {
    static CALLS: RefCell<VecDeque<HostCall>> = const { RefCell::new(VecDeque::new()) };
}

/// What a strategy asked of its host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostCall {
    /// A line for the log.
    Log(Level, String),
    /// A counter, by index, and what was added.
    Count(u32, u64),
    /// A gauge, by index, and its new value.
    Set(u32, f64),
}

/// The calls of this thread since the last time, oldest first; at most the last 4,096.
pub fn take_host_calls() -> Vec<HostCall> {
    CALLS.with_borrow_mut(|calls| calls.drain(..).collect())
}

fn record(call: HostCall) {
    CALLS.with_borrow_mut(|calls| {
        if calls.len() == HOST_CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    });
}

pub(crate) fn log(level: Level, message: &str) {
    record(HostCall::Log(level, message.to_owned()));
}

pub(crate) fn count(counter: u32, delta: u64) {
    record(HostCall::Count(counter, delta));
}

pub(crate) fn set(gauge: u32, value: f64) {
    record(HostCall::Set(gauge, value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Counter, Gauge, log};

    #[test]
    fn what_a_strategy_asks_of_its_host_is_recorded() {
        log::warn("full");
        Counter::new(1).add(2);
        Gauge::new(0).set(0.5);
        let expected = [HostCall::Log(Level::Warn, "full".to_owned()), HostCall::Count(1, 2), HostCall::Set(0, 0.5)];
        assert_eq!(take_host_calls(), expected);
        (0..5000).for_each(|delta| Counter::new(0).add(delta));
        assert_eq!(take_host_calls().first(), Some(&HostCall::Count(0, 5000 - 4096)));
    }
}
