use std::collections::{BTreeMap, HashMap, hash_map};

use super::{Alert, Change, ChangeKind, Phase, Severity, Verdict};
use crate::Series;

/// Alerts of one book, resolved ones included. A strategy that finds fault with every series is a fault of its own.
pub const ALERTS_MAX: usize = 10_000;
/// The rule of the alert that fires while the strategy does not answer. It is the host's own: no verdict may name it.
pub const DEGRADED_RULE: &str = "StrategyDegraded";
/// How long a resolved alert is kept to be looked at.
const RESOLVED_KEPT_MS: u64 = 15 * 60 * 1_000;

/// What came of asking the strategy.
#[derive(Debug, Clone, Copy)]
pub enum Evaluation<'a> {
    /// It answered.
    Answered {
        /// Every series that it was asked about, in order: those that no verdict names are well.
        series: &'a [Series],
        /// What it said, each verdict with its series.
        verdicts: &'a [(Series, Verdict)],
    },
    /// It trapped, ran out of its budget or is in quarantine: nothing is known, so nothing gets better or worse.
    Degraded(&'a str),
    /// There is none any more: nobody judges, so nothing is wrong.
    Ended,
}

/// Verdicts that had no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Verdicts on series without an alert, when there were [`ALERTS_MAX`].
    pub full: u64,
    /// Verdicts in the name of [`DEGRADED_RULE`].
    pub reserved: u64,
}

/// All alerts, by rule and series. A pure value: the same calls in the same order give the same alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertBook {
    rules: BTreeMap<String, HashMap<Series, Alert>>,
    alerts: usize,
    refused: Refused,
    silence_ms: u64,
}

impl AlertBook {
    /// An empty book. An alert whose series is silent, so that the strategy is not asked about it, stays as it is for
    /// `silence_ms`: clients post once a minute, and after a restart they have to come back first.
    pub fn new(silence_ms: u64) -> Self {
        Self { silence_ms, ..Self::default() }
    }

    /// Takes in what the strategy said of everything. Returns what somebody may want to know, by rule and series.
    pub fn evaluate(&mut self, now_ms: u64, evaluation: Evaluation<'_>) -> Vec<Change> {
        self.forget_old(now_ms);
        let mut changes = match evaluation {
            Evaluation::Answered { series, verdicts } => self.judge(now_ms, series, verdicts),
            Evaluation::Degraded(_) => Vec::new(),
            Evaluation::Ended => self.resolve(now_ms, |_| true),
        };
        changes.extend(self.note_strategy(now_ms, evaluation));
        let key = |change: &Change| (change.alert.rule.clone(), change.alert.series.clone());
        changes.sort_by_cached_key(key);
        changes
    }

    /// Puts an alert of an earlier life back. One that is there already stays as it is.
    pub fn restore(&mut self, alert: Alert) {
        if self.alerts >= ALERTS_MAX {
            self.refused.full += 1;
            return;
        }
        let alerts = self.rules.entry(alert.rule.clone()).or_default();
        if let hash_map::Entry::Vacant(place) = alerts.entry(alert.series.clone()) {
            place.insert(alert);
            self.alerts += 1;
        }
    }

    /// Every alert, by rule.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rules.values().flat_map(HashMap::values)
    }

    /// Pending and firing alerts that a strategy has named: what a new instance adopts.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.alerts().filter(|alert| alert.is_active() && alert.rule != DEGRADED_RULE)
    }

    /// What had no place since the start.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    fn judge(&mut self, now_ms: u64, series: &[Series], verdicts: &[(Series, Verdict)]) -> Vec<Change> {
        let worst = self.worst_by_alert(verdicts);
        for alert in self.rules.values_mut().flat_map(HashMap::values_mut) {
            if series.binary_search(&alert.series).is_ok() {
                alert.judged_ms = now_ms;
            }
        }
        let silence_ms = self.silence_ms;
        let mut changes = self.resolve(now_ms, |alert| {
            let named = worst.contains_key(&(&*alert.rule, &alert.series));
            // One that was judged and is not named is well; one that was not is waited for.
            let judged = || series.binary_search(&alert.series).is_ok();
            !named && (judged() || now_ms.saturating_sub(alert.judged_ms) > silence_ms)
        });
        changes.extend(worst.iter().filter_map(|((_, series), verdict)| self.see(now_ms, series, verdict)));
        changes
    }

    /// One verdict for each rule and series: of several the worst.
    fn worst_by_alert<'a>(&mut self, verdicts: &'a [(Series, Verdict)]) -> HashMap<(&'a str, &'a Series), &'a Verdict> {
        let mut worst: HashMap<(&str, &Series), &Verdict> = HashMap::new();
        for (series, verdict) in verdicts {
            if verdict.rule == DEGRADED_RULE {
                self.refused.reserved += 1;
                continue;
            }
            let there = worst.entry((&verdict.rule, series)).or_insert(verdict);
            if verdict.severity > there.severity {
                *there = verdict;
            }
        }
        worst
    }

    /// One verdict on one series.
    fn see(&mut self, now_ms: u64, series: &Series, verdict: &Verdict) -> Option<Change> {
        let alerts = self.rules.entry(verdict.rule.clone()).or_default();
        let alert = match alerts.entry(series.clone()) {
            hash_map::Entry::Occupied(there) => there.into_mut(),
            hash_map::Entry::Vacant(_) if self.alerts >= ALERTS_MAX => {
                self.refused.full += 1;
                return None;
            }
            hash_map::Entry::Vacant(place) => {
                self.alerts += 1;
                place.insert(Alert::new(now_ms, series, verdict))
            }
        };
        let kind = advance(alert, now_ms, verdict)?;
        Some(Change { kind, alert: alert.clone() })
    }

    /// Ends the active alerts of the strategy that are over: a firing one is resolved, a pending one was nothing.
    fn resolve(&mut self, now_ms: u64, over: impl Fn(&Alert) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for (rule, alerts) in &mut self.rules {
            if rule == DEGRADED_RULE {
                continue;
            }
            let before = alerts.len();
            alerts.retain(|_, alert| alert.state != Phase::Pending || !over(alert));
            self.alerts -= before - alerts.len();
            let firing = alerts.values_mut().filter(|alert| alert.state == Phase::Firing && over(alert));
            changes.extend(firing.map(|alert| resolved(now_ms, alert)));
        }
        changes
    }

    /// The strategy's own alert: it fires while it does not answer.
    fn note_strategy(&mut self, now_ms: u64, evaluation: Evaluation<'_>) -> Option<Change> {
        let series = degraded_series();
        let Evaluation::Degraded(reason) = evaluation else {
            let alert = self.rules.get_mut(DEGRADED_RULE)?.get_mut(&series)?;
            return alert.is_active().then(|| resolved(now_ms, alert));
        };
        let (rule, reason) = (DEGRADED_RULE.to_owned(), reason.to_owned());
        let (severity, evidence) = (Severity::Error, String::new());
        self.see(now_ms, &series, &Verdict { rule, series: 0, severity, value: 1.0, for_ms: 0, reason, evidence })
    }

    /// Forgets resolved alerts when they have been kept long enough, or when there is no place for new ones.
    fn forget_old(&mut self, now_ms: u64) {
        let kept_ms = if self.alerts < ALERTS_MAX { RESOLVED_KEPT_MS } else { 0 };
        for alerts in self.rules.values_mut() {
            alerts.retain(|_, alert| alert.is_active() || now_ms.saturating_sub(alert.state_since_ms) < kept_ms);
        }
        self.rules.retain(|_, alerts| !alerts.is_empty());
        self.alerts = self.rules.values().map(HashMap::len).sum();
    }
}

fn resolved(now_ms: u64, alert: &mut Alert) -> Change {
    alert.enter(now_ms, Phase::Resolved);
    Change { kind: ChangeKind::Resolved, alert: alert.clone() }
}

/// Moves an alert on by a verdict. A resolved one begins anew.
fn advance(alert: &mut Alert, now_ms: u64, verdict: &Verdict) -> Option<ChangeKind> {
    let severity_before = alert.severity;
    alert.tell(verdict);
    if alert.state == Phase::Resolved {
        alert.active_since_ms = now_ms;
        alert.enter(now_ms, Phase::Pending);
    }
    if alert.state == Phase::Pending && now_ms.saturating_sub(alert.active_since_ms) >= verdict.for_ms {
        alert.enter(now_ms, Phase::Firing);
        return Some(ChangeKind::Fired);
    }
    let worse_or_better = alert.state == Phase::Firing && alert.severity != severity_before;
    worse_or_better.then_some(ChangeKind::Severity)
}

fn degraded_series() -> Series {
    Series::new(DEGRADED_RULE, vec![("slot".into(), "alerting".into())])
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
