use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use switchyard_host::{
    Host, SlotFigures, Upkeep,
    alerting::{AlertTable, AlertingSlot, Notification, Verdict},
};

use super::{AlertFigures, Alerts, Change, Channels, DEGRADED_RULE, Evaluation, Notice, rows::Rows, table::Table};
use crate::{Reading, clock::Clock};

/// The only shard: a rule may look at several series.
const SHARD: usize = 0;
/// Changes that a strategy is told of in one call, by its contract.
const NOTIFY_MAX: usize = 256;
/// How often a strategy is asked again that is being swapped or is busy with its upkeep.
const ATTEMPTS_MAX: usize = 20;
/// Pause between: a flip takes less than a millisecond, a tick at most its budget of 10.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks the strategy about every series, and what is told about the changes that follow.
pub(crate) struct Evaluator {
    alerts: Alerts,
    table: Arc<Table>,
    slot: AlertingSlot,
    /// Held for a whole evaluation: there is one at a time.
    state: Mutex<State>,
    counters: Counters,
}

#[derive(Debug)]
struct State {
    /// When the strategy last answered.
    answered_ms: Option<u64>,
    /// Until when a strategy is waited for, one having been there or, after a start, what fires from the last life being worth
    /// it; none: there is none, and everything has ended.
    ends_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    unanswered: AtomicU64,
    notices_fallback: AtomicU64,
    channels_unknown: AtomicU64,
}

/// Why there is no answer yet.
enum NoAnswer {
    /// Somebody else held the instance, or it was swapped between two calls: asked again, it may answer.
    Passing,
    Failed,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Evaluator {
    pub(crate) fn new(host: &Host, clock: Clock, alerts: Alerts, silence_ms: u64) -> Self {
        let table = Arc::new(Table::new(clock, alerts.clone()));
        let weak: Arc<dyn AlertTable> = table.clone();
        let slot = AlertingSlot::new(host, Arc::downgrade(&weak), 1, Upkeep::Threads);
        let state = Mutex::new(State { answered_ms: None, ends_ms: Some(clock.now_ms().saturating_add(silence_ms)) });
        Self { alerts, table, slot, state, counters: Counters::default() }
    }

    pub(crate) fn slot(&self) -> &AlertingSlot {
        &self.slot
    }

    /// One evaluation; `read` gives every series' figure since a time. Blocks while the strategy decides.
    pub(crate) fn evaluate(&self, interval: Duration, read: impl FnOnce(u64) -> Vec<Reading>) {
        let mut state = self.state.lock();
        // A successor that is being staged adopts what is there: nothing changes until it decides.
        let _turn = self.slot.turn();
        let now_ms = self.table.clock.now_ms();
        if self.slot.figures().strategy.is_none() {
            return self.end(&mut state, now_ms);
        }
        state.ends_ms = Some(now_ms);
        let since_ms = state.answered_ms.unwrap_or(now_ms.saturating_sub(interval.as_millis() as u64));
        let rows = self.table.rows(read(since_ms));
        let answer = self.ask(now_ms, &rows);
        // Nothing is saved between a change and its notices: a node that dies then would never tell.
        let _told = self.alerts.telling();
        let changes = match answer {
            Some(verdicts) => {
                state.answered_ms = Some(now_ms);
                self.counters.answered.fetch_add(1, Relaxed);
                let verdicts = rows.name(verdicts);
                self.alerts.evaluate(Evaluation::Answered {
                    series: &rows.series,
                    touched_ms: &rows.touched_ms,
                    verdicts: &verdicts,
                })
            }
            None => {
                self.counters.unanswered.fetch_add(1, Relaxed);
                self.alerts.evaluate(Evaluation::Degraded(why(&self.slot.figures())))
            }
        };
        self.tell(now_ms, changes);
    }

    /// There is no strategy: nobody judges. One that was taken away takes its alerts along at once, and what fires from an
    /// earlier life is waited for as long as a silent series is.
    fn end(&self, state: &mut State, now_ms: u64) {
        if state.ends_ms.is_some_and(|ends_ms| now_ms >= ends_ms) {
            state.ends_ms = None;
            let _told = self.alerts.telling();
            self.tell(now_ms, self.alerts.evaluate(Evaluation::Ended));
        }
    }

    /// The verdicts on all rows; none: the strategy does not answer.
    fn ask(&self, now_ms: u64, rows: &Rows) -> Option<Vec<Verdict>> {
        let calls = rows.calls();
        for _ in 0..ATTEMPTS_MAX {
            match self.ask_once(now_ms, &calls) {
                Ok(verdicts) => return Some(verdicts),
                Err(NoAnswer::Passing) => thread::sleep(PAUSE),
                Err(NoAnswer::Failed) => return None,
            }
        }
        None
    }

    fn ask_once(&self, now_ms: u64, calls: &[switchyard_host::alerting::Columns]) -> Result<Vec<Verdict>, NoAnswer> {
        let before = self.slot.figures();
        let mut all = Vec::new();
        for (index, columns) in calls.iter().enumerate() {
            // An instance that has seen only the end of an evaluation would take the beginning for well.
            if index > 0 && self.slot.figures().flips != before.flips {
                return Err(NoAnswer::Passing);
            }
            let last = index + 1 == calls.len();
            let answer = |verdicts: Option<&[Verdict]>| verdicts.map(<[Verdict]>::to_vec);
            let answer = self.slot.evaluate(SHARD, now_ms, columns, last, answer);
            all.extend(answer.ok_or_else(|| self.no_answer(&before))?);
        }
        Ok(all)
    }

    fn no_answer(&self, before: &SlotFigures) -> NoAnswer {
        let busy = |figures: &SlotFigures| figures.hooks.get("evaluate").map_or(0, |hook| hook.busy);
        let now = self.slot.figures();
        if busy(&now) != busy(before) || now.flips != before.flips { NoAnswer::Passing } else { NoAnswer::Failed }
    }

    fn tell(&self, now_ms: u64, changes: Vec<Change>) {
        // Nobody decides about the news of his own failure.
        let (own, asked): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.alert.rule == DEGRADED_RULE);
        let mut notices: Vec<_> = own.into_iter().map(Notice::own).collect();
        notices.extend(asked.chunks(NOTIFY_MAX).flat_map(|some| self.notices(now_ms, some)));
        self.alerts.tell(&notices);
    }

    fn notices(&self, now_ms: u64, changes: &[Change]) -> Vec<Notice> {
        let alerts: Vec<_> = changes.iter().map(|change| self.table.to_host(&change.alert)).collect();
        let answer = |notifications: Option<&[Notification]>| notifications.map(<[Notification]>::to_vec);
        match self.slot.notify(SHARD, now_ms, &alerts, answer) {
            Some(notifications) => notifications.into_iter().filter_map(|told| self.notice(told, changes)).collect(),
            None => {
                self.counters.notices_fallback.fetch_add(changes.len() as u64, Relaxed);
                changes.iter().cloned().map(Notice::own).collect()
            }
        }
    }

    /// What the strategy wants told. One that names only channels that are not there is corrected: everybody is told.
    fn notice(&self, told: Notification, changes: &[Change]) -> Option<Notice> {
        let change = changes.get(told.alert as usize)?.clone();
        let channels = match Channels::named(&told.channels) {
            _ if told.channels.is_empty() => Channels::ALL,
            Some(channels) => channels,
            None => {
                self.counters.channels_unknown.fetch_add(1, Relaxed);
                Channels::ALL
            }
        };
        Some(Notice { change, channels, title: told.title, text: told.text })
    }

    /// Everything that is counted about alerts.
    pub(crate) fn figures(&self) -> AlertFigures {
        AlertFigures {
            evaluations: self.counters.answered.load(Relaxed),
            evaluations_failed: self.counters.unanswered.load(Relaxed),
            notices_fallback: self.counters.notices_fallback.load(Relaxed),
            channels_unknown: self.counters.channels_unknown.load(Relaxed),
            ..self.alerts.figures()
        }
    }
}

fn why(figures: &SlotFigures) -> &'static str {
    if figures.quarantined {
        "the alerting strategy failed too often and is in quarantine: no alert gets better or worse"
    } else {
        "the alerting strategy gave no usable answer, the log says why: no alert gets better or worse"
    }
}
