use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_host::alerting::{Alert as HostAlert, AlertTable, Load};

use super::{Alert, Alerts, numbers::Numbers, rows::Rows};
use crate::{Reading, clock::Clock};

/// What the slot sees of the alerts: the truth that instances mirror.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) clock: Clock,
    alerts: Alerts,
    numbers: Mutex<Numbers>,
    series: AtomicU64,
    evaluations: AtomicU64,
}

impl Table {
    pub(super) fn new(clock: Clock, alerts: Alerts) -> Self {
        Self { clock, alerts, numbers: Mutex::default(), series: AtomicU64::new(0), evaluations: AtomicU64::new(0) }
    }

    /// The rows of an evaluation that begins.
    pub(super) fn rows(&self, readings: Vec<Reading>) -> Rows {
        // Before the lock: what is adopted meanwhile takes the two the other way round, each for a moment.
        let active: HashSet<_> = self.alerts.active().into_iter().map(|alert| alert.series).collect();
        let mut numbers = self.numbers.lock();
        let rows = Rows::of(readings, &mut numbers);
        numbers.retain(&rows.series, &active);
        self.series.store(rows.series.len() as u64, Relaxed);
        self.evaluations.fetch_add(1, Relaxed);
        rows
    }

    /// An alert as a strategy sees it.
    pub(super) fn to_host(&self, alert: &Alert) -> HostAlert {
        HostAlert {
            rule: alert.rule.clone(),
            series: self.numbers.lock().of(&alert.series),
            name: alert.series.metric().to_string(),
            labels: alert.series.labels_text(),
            severity: alert.severity,
            phase: alert.state,
            value: alert.value,
            reason: alert.reason.clone(),
            since_ms: alert.state_since_ms,
        }
    }
}

impl AlertTable for Table {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn residents(&self, _: usize, into: &mut Vec<HostAlert>) {
        into.extend(self.alerts.active().iter().map(|alert| self.to_host(alert)));
    }

    fn load(&self, _: usize) -> Load {
        Load {
            series: self.series.load(Relaxed),
            evaluations: self.evaluations.swap(0, Relaxed),
            firing: self.alerts.figures().firing,
        }
    }
}
