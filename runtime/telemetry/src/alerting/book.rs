use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};

use super::{Alert, AlertState, Change, ChangeKind, Severity, Verdict};
use crate::Series;

/// Alerts of one book, resolved ones included. A strategy that finds fault with every series is a fault of its own.
pub const ALERTS_MAX: usize = 10_000;
/// The rule of the alert that fires while a strategy does not answer.
pub const DEGRADED_RULE: &str = "StrategyDegraded";
/// How long a resolved alert is kept to be looked at.
const RESOLVED_KEPT_MS: u64 = 15 * 60 * 1_000;

/// What the life cycle needs to know of a rule. Bounds and hysteresis are the strategy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name; [`DEGRADED_RULE`] is taken.
    pub name: String,
    /// How long a verdict must last before the alert fires, in milliseconds; 0: at once.
    pub for_ms: u64,
}

/// What came of asking the strategy of a rule.
#[derive(Debug, Clone, Copy)]
pub enum Evaluation<'a> {
    /// It answered for every series of the rule: those that it does not name are well.
    Verdicts(&'a [Verdict]),
    /// It trapped, ran out of its budget or is in quarantine: nothing is known, so nothing gets better or worse.
    Degraded(&'a str),
}

/// Verdicts that had no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Verdicts on series without an alert, when there were [`ALERTS_MAX`].
    pub full: u64,
}

/// All alerts, by rule and series. A pure value: the same calls in the same order give the same alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertBook {
    rules: BTreeMap<String, HashMap<Series, Alert>>,
    alerts: usize,
    refused: Refused,
}

impl AlertBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a strategy said of one rule at a time. Returns what somebody may want to know, by series.
    pub fn evaluate(&mut self, now_ms: u64, rule: &AlertRule, evaluation: Evaluation<'_>) -> Vec<Change> {
        self.forget_old(now_ms);
        let mut changes = match evaluation {
            Evaluation::Verdicts(verdicts) => self.judge(now_ms, rule, verdicts),
            Evaluation::Degraded(_) => Vec::new(),
        };
        changes.extend(self.note_strategy(now_ms, rule, evaluation));
        changes
    }

    /// A rule is no more: its alerts are over, and nobody asks its strategy.
    pub fn remove_rule(&mut self, now_ms: u64, rule: &str) -> Vec<Change> {
        let mut changes = self.resolve(now_ms, rule, &HashMap::new());
        changes.extend(self.resolve_one(now_ms, DEGRADED_RULE, &degraded_series(rule)));
        changes
    }

    /// Ends the alerts of every rule that is not to be kept: rules may have gone while the node was down.
    pub fn retain_rules(&mut self, now_ms: u64, keep: impl Fn(&str) -> bool) -> Vec<Change> {
        let own = self.rules.keys().filter(|rule| *rule != DEGRADED_RULE).cloned();
        let watched = self.active(DEGRADED_RULE).filter_map(|alert| alert.series.label("rule").map(str::to_owned));
        let gone: BTreeSet<String> = own.chain(watched).filter(|rule| !keep(rule)).collect();
        gone.iter().flat_map(|rule| self.remove_rule(now_ms, rule)).collect()
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

    /// Pending and firing alerts of a rule: what a new strategy adopts.
    pub fn active(&self, rule: &str) -> impl Iterator<Item = &Alert> {
        self.rules.get(rule).into_iter().flat_map(HashMap::values).filter(|alert| alert.is_active())
    }

    /// What had no place since the start.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    fn judge(&mut self, now_ms: u64, rule: &AlertRule, verdicts: &[Verdict]) -> Vec<Change> {
        let worst = worst_by_series(verdicts);
        let mut changes = self.resolve(now_ms, &rule.name, &worst);
        changes.extend(worst.into_values().filter_map(|verdict| self.see(now_ms, rule, verdict)));
        changes.sort_by(|a, b| a.alert.series.cmp(&b.alert.series));
        changes
    }

    /// One verdict on one series.
    fn see(&mut self, now_ms: u64, rule: &AlertRule, verdict: &Verdict) -> Option<Change> {
        let alerts = self.rules.entry(rule.name.clone()).or_default();
        let alert = match alerts.entry(verdict.series.clone()) {
            hash_map::Entry::Occupied(there) => there.into_mut(),
            hash_map::Entry::Vacant(_) if self.alerts >= ALERTS_MAX => {
                self.refused.full += 1;
                return None;
            }
            hash_map::Entry::Vacant(place) => {
                self.alerts += 1;
                place.insert(Alert::new(now_ms, &rule.name, verdict))
            }
        };
        let kind = advance(alert, now_ms, rule.for_ms, verdict)?;
        Some(Change { kind, alert: alert.clone() })
    }

    /// Ends every alert of a rule that no verdict names.
    fn resolve(&mut self, now_ms: u64, rule: &str, named: &HashMap<&Series, &Verdict>) -> Vec<Change> {
        let Some(alerts) = self.rules.get(rule) else { return Vec::new() };
        let over = alerts.values().filter(|alert| alert.is_active() && !named.contains_key(&alert.series));
        let over: Vec<Series> = over.map(|alert| alert.series.clone()).collect();
        over.iter().filter_map(|series| self.resolve_one(now_ms, rule, series)).collect()
    }

    /// A firing alert is resolved, a pending one was nothing.
    fn resolve_one(&mut self, now_ms: u64, rule: &str, series: &Series) -> Option<Change> {
        let alerts = self.rules.get_mut(rule)?;
        let alert = alerts.get_mut(series).filter(|alert| alert.is_active())?;
        if alert.state == AlertState::Pending {
            alerts.remove(series);
            self.alerts -= 1;
            return None;
        }
        alert.enter(now_ms, AlertState::Resolved);
        Some(Change { kind: ChangeKind::Resolved, alert: alert.clone() })
    }

    /// The alert on the strategy itself: it fires at once, and is over with the first answer.
    fn note_strategy(&mut self, now_ms: u64, rule: &AlertRule, evaluation: Evaluation<'_>) -> Option<Change> {
        let series = degraded_series(&rule.name);
        let Evaluation::Degraded(reason) = evaluation else {
            return self.resolve_one(now_ms, DEGRADED_RULE, &series);
        };
        let watched = AlertRule { name: DEGRADED_RULE.to_owned(), for_ms: 0 };
        let verdict =
            Verdict { series, severity: Severity::Error, value: 1.0, reason: reason.to_owned(), evidence: Vec::new() };
        self.see(now_ms, &watched, &verdict)
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

/// Moves an alert on by a verdict. A resolved one begins anew.
fn advance(alert: &mut Alert, now_ms: u64, for_ms: u64, verdict: &Verdict) -> Option<ChangeKind> {
    let severity_before = alert.severity;
    alert.tell(verdict);
    if alert.state == AlertState::Resolved {
        alert.active_since_ms = now_ms;
        alert.enter(now_ms, AlertState::Pending);
    }
    if alert.state == AlertState::Pending && now_ms.saturating_sub(alert.active_since_ms) >= for_ms {
        alert.enter(now_ms, AlertState::Firing);
        return Some(ChangeKind::Fired);
    }
    let worse_or_better = alert.state == AlertState::Firing && alert.severity != severity_before;
    worse_or_better.then_some(ChangeKind::Severity)
}

/// One verdict a series: of several the worst.
fn worst_by_series(verdicts: &[Verdict]) -> HashMap<&Series, &Verdict> {
    let mut worst: HashMap<&Series, &Verdict> = HashMap::new();
    for verdict in verdicts {
        let there = worst.entry(&verdict.series).or_insert(verdict);
        if verdict.severity > there.severity {
            *there = verdict;
        }
    }
    worst
}

fn degraded_series(rule: &str) -> Series {
    Series::new(DEGRADED_RULE, vec![("rule".into(), rule.into())])
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
