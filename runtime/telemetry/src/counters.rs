use parking_lot::Mutex;

use switchyard_types::Figure;

use crate::{alerting::AlertFigures, store::Refused};

/// How often the log says that points were refused, in milliseconds.
const LOG_INTERVAL_MS: u64 = 60_000;

/// What telemetry counts of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// Posted points that were taken.
    pub(crate) points: u64,
    /// Posted points that were not.
    pub(crate) refused: Refused,
    /// Figures of the machine and of engines that were not.
    pub(crate) own_refused: Refused,
    /// Series that the last exposition left out.
    pub(crate) conflicts: u64,
}

impl Counters {
    pub(crate) fn figures(&self, own: usize, posted: usize, alerts: &AlertFigures) -> Vec<Figure> {
        let mut figures = vec![
            series(own).with("origin", "own"),
            series(posted).with("origin", "posted"),
            Figure::counter(
                "switchyard.telemetry.points",
                "{point}",
                "Posted points that were taken",
                self.points as f64,
            ),
            Figure::gauge(
                "switchyard.telemetry.conflicts",
                "{series}",
                "Series left out of the exposition because another one has their name",
                self.conflicts as f64,
            ),
        ];
        for (origin, refused) in [("own", &self.own_refused), ("posted", &self.refused)] {
            figures.extend(refused.iter().map(|(refusal, points)| {
                Figure::counter("switchyard.telemetry.refused", "{point}", "Points that were refused", points as f64)
                    .with("origin", origin)
                    .with("reason", refusal.name())
            }));
        }
        figures.extend(of_alerts(alerts));
        figures
    }
}

fn series(count: usize) -> Figure {
    let text = "Series that are kept, a histogram counted by its lines";
    Figure::gauge("switchyard.telemetry.series", "{series}", text, count as f64)
}

fn of_alerts(alerts: &AlertFigures) -> Vec<Figure> {
    let states = [("pending", alerts.pending), ("firing", alerts.firing), ("resolved", alerts.resolved)];
    let mut figures = Vec::new();
    figures.extend(states.map(|(state, count)| {
        Figure::gauge("switchyard.alerts", "{alert}", "Alerts by state", count as f64).with("state", state)
    }));
    let outcomes =
        [("sent", alerts.notified), ("failed", alerts.notifications_failed), ("dropped", alerts.notifications_dropped)];
    figures.extend(outcomes.map(|(outcome, count)| {
        let text = "Changes of alerts that the webhook was to be told, by what became of them";
        Figure::counter("switchyard.alerts.notifications", "{change}", text, count as f64).with("outcome", outcome)
    }));
    let outcomes = [("answered", alerts.evaluations), ("unanswered", alerts.evaluations_failed)];
    figures.extend(outcomes.map(|(outcome, count)| {
        let text = "Evaluations of all series, by whether the strategy answered";
        Figure::counter("switchyard.alerts.evaluations", "{evaluation}", text, count as f64).with("outcome", outcome)
    }));
    let corrected = [("no-answer", alerts.notices_fallback), ("unknown-channel", alerts.channels_unknown)];
    figures.extend(corrected.map(|(reason, count)| {
        let text = "Changes of alerts told to everybody because the strategy did not say to whom";
        Figure::counter("switchyard.alerts.notices.corrected", "{change}", text, count as f64).with("reason", reason)
    }));
    figures.push(Figure::counter(
        "switchyard.alerts.refused",
        "{verdict}",
        "Verdicts that had no place",
        alerts.refused as f64,
    ));
    figures
}

/// One line a minute about what was refused since the last one: a client that posts nonsense does so many times a second.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<Option<LogState>>);

#[derive(Debug)]
struct LogState {
    written_ms: u64,
    since: Refused,
}

impl RefusalLog {
    pub(crate) fn tell(&self, now_ms: u64, refused: &Refused) {
        if refused.total() == 0 {
            return;
        }
        if let Some(since) = self.due(now_ms, refused) {
            let reasons: Vec<_> =
                since.iter().map(|(refusal, points)| format!("{points} {}", refusal.name())).collect();
            tracing::warn!(points = since.total(), reasons = reasons.join(", "), "posted points were refused");
        }
    }

    fn due(&self, now_ms: u64, refused: &Refused) -> Option<Refused> {
        let mut state = self.0.lock();
        match &mut *state {
            Some(known) if now_ms.saturating_sub(known.written_ms) < LOG_INTERVAL_MS => {
                known.since.merge(refused);
                None
            }
            known => {
                let mut since = known.take().map(|known| known.since).unwrap_or_default();
                since.merge(refused);
                *known = Some(LogState { written_ms: now_ms, since: Refused::default() });
                Some(since)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    #[test]
    fn the_log_has_a_line_a_minute_and_forgets_nothing() {
        let log = RefusalLog::default();
        let mut one = Refused::default();
        one.add(Refusal::Full, 1);
        assert_eq!(log.due(5, &one).unwrap().total(), 1);
        (0..100).for_each(|n| assert!(log.due(6 + n, &one).is_none()));
        assert_eq!(log.due(5 + LOG_INTERVAL_MS, &one).unwrap().total(), 101);
    }
}
