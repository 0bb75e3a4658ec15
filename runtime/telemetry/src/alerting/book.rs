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
        /// When the last value of each came, on the clock of `now_ms`: what was shown again is not news.
        touched_ms: &'a [u64],
        /// What it said, each verdict with its series.
        verdicts: &'a [(Series, Verdict)],
    },
    /// It trapped, ran out of its budget or is in quarantine: nothing is known, so nothing gets better or worse.
    Degraded(&'a str),
    /// There is none any more: nobody judges, so nothing is wrong.
    Ended,
}

/// What was shown to the strategy: parallel, ordered by series.
#[derive(Clone, Copy)]
struct Shown<'a> {
    series: &'a [Series],
    touched_ms: &'a [u64],
}

impl Shown<'_> {
    /// When the series' last value came; none: it was not shown.
    fn touched_ms(&self, series: &Series) -> Option<u64> {
        self.touched_ms.get(self.series.binary_search(series).ok()?).copied()
    }
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
    /// Those of the strategy. The host's own has a place of its own: a book that is full must not hide why.
    alerts: usize,
    refused: Refused,
    silence_ms: u64,
}

impl AlertBook {
    /// An empty book. An alert whose series is silent, so that the strategy is not asked about it, stays as it is until
    /// `silence_ms` after its last value: clients post once a minute, and after a restart they have to come back first.
    pub fn new(silence_ms: u64) -> Self {
        Self { silence_ms, ..Self::default() }
    }

    /// Takes in what the strategy said of everything. Returns what somebody may want to know, by rule and series.
    pub fn evaluate(&mut self, now_ms: u64, evaluation: Evaluation<'_>) -> Vec<Change> {
        self.forget_old(now_ms);
        let mut changes = match evaluation {
            Evaluation::Answered { series, touched_ms, verdicts } => {
                self.judge(now_ms, Shown { series, touched_ms }, verdicts)
            }
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
        if !self.has_room(&alert.rule) {
            self.refused.full += 1;
            return;
        }
        let own = alert.rule == DEGRADED_RULE;
        let alerts = self.rules.entry(alert.rule.clone()).or_default();
        if let hash_map::Entry::Vacant(place) = alerts.entry(alert.series.clone()) {
            place.insert(alert);
            self.alerts += usize::from(!own);
        }
    }

    fn has_room(&self, rule: &str) -> bool {
        rule == DEGRADED_RULE || self.alerts < ALERTS_MAX
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

    fn judge(&mut self, now_ms: u64, shown: Shown<'_>, verdicts: &[(Series, Verdict)]) -> Vec<Change> {
        let worst = self.worst_by_alert(verdicts);
        for alert in self.rules.values_mut().flat_map(HashMap::values_mut) {
            alert.touched_ms = shown.touched_ms(&alert.series).unwrap_or(alert.touched_ms);
        }
        let silence_ms = self.silence_ms;
        let mut changes = self.resolve(now_ms, |alert| {
            let verdict = worst.get(&(&*alert.rule, &alert.series));
            let named = verdict.is_some_and(|verdict| counts(verdict, Some(alert)));
            // One that was judged and is not named is well; one that was not is waited for.
            let judged = || shown.touched_ms(&alert.series).is_some();
            !named && (judged() || now_ms.saturating_sub(alert.touched_ms) > silence_ms)
        });
        changes.extend(worst.iter().filter_map(|((_, series), verdict)| {
            let touched_ms = shown.touched_ms(series).unwrap_or(now_ms);
            self.see(now_ms, touched_ms, series, verdict)
        }));
        changes
    }

    /// One verdict for each rule and series: of several the worst, and one that begins an alert before one that holds it.
    fn worst_by_alert<'a>(&mut self, verdicts: &'a [(Series, Verdict)]) -> HashMap<(&'a str, &'a Series), &'a Verdict> {
        let mut worst: HashMap<(&str, &Series), &Verdict> = HashMap::new();
        for (series, verdict) in verdicts {
            if verdict.rule == DEGRADED_RULE {
                self.refused.reserved += 1;
                continue;
            }
            let there = worst.entry((&verdict.rule, series)).or_insert(verdict);
            if (!verdict.holds, verdict.severity) > (!there.holds, there.severity) {
                *there = verdict;
            }
        }
        worst
    }

    /// One verdict on one series, whose last value came at `touched_ms`.
    fn see(&mut self, now_ms: u64, touched_ms: u64, series: &Series, verdict: &Verdict) -> Option<Change> {
        let there = self.rules.get(&verdict.rule).and_then(|alerts| alerts.get(series));
        if !counts(verdict, there) {
            return None;
        }
        if there.is_none() && !self.has_room(&verdict.rule) {
            self.refused.full += 1;
            return None;
        }
        if there.is_none() {
            self.alerts += usize::from(verdict.rule != DEGRADED_RULE);
        }
        let alerts = self.rules.entry(verdict.rule.clone()).or_default();
        let begun = || Alert::new(now_ms, touched_ms, series, verdict);
        let alert = alerts.entry(series.clone()).or_insert_with(begun);
        let kind = advance(alert, now_ms, touched_ms, verdict)?;
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
        let verdict = Verdict { rule, series: 0, severity, holds: false, value: 1.0, for_ms: 0, reason, evidence };
        self.see(now_ms, now_ms, &series, &verdict)
    }

    /// Forgets resolved alerts when they have been kept long enough, or when there is no place for new ones.
    fn forget_old(&mut self, now_ms: u64) {
        let kept_ms = if self.alerts < ALERTS_MAX { RESOLVED_KEPT_MS } else { 0 };
        for alerts in self.rules.values_mut() {
            alerts.retain(|_, alert| alert.is_active() || now_ms.saturating_sub(alert.state_since_ms) < kept_ms);
        }
        self.rules.retain(|_, alerts| !alerts.is_empty());
        let of_strategy = self.rules.iter().filter(|(rule, _)| *rule != DEGRADED_RULE);
        self.alerts = of_strategy.map(|(_, alerts)| alerts.len()).sum();
    }
}

fn resolved(now_ms: u64, alert: &mut Alert) -> Change {
    alert.enter(now_ms, Phase::Resolved);
    Change { kind: ChangeKind::Resolved, alert: alert.clone() }
}

/// Whether a verdict says anything about an alert: one that only holds says so of what fires alone.
fn counts(verdict: &Verdict, alert: Option<&Alert>) -> bool {
    !verdict.holds || alert.is_some_and(|alert| alert.state == Phase::Firing)
}

/// Moves an alert on by a verdict. A resolved one begins anew. How long it has lasted is told by values, not by evaluations:
/// the same value shown again proves nothing.
fn advance(alert: &mut Alert, now_ms: u64, touched_ms: u64, verdict: &Verdict) -> Option<ChangeKind> {
    let severity_before = alert.severity;
    alert.tell(verdict);
    if alert.state == Phase::Resolved {
        alert.active_since_ms = touched_ms;
        alert.enter(now_ms, Phase::Pending);
    }
    if alert.state == Phase::Pending && touched_ms.saturating_sub(alert.active_since_ms) >= verdict.for_ms {
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
