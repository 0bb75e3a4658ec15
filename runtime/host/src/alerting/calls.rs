use wasmtime::{
    Store,
    component::{self, TypedFunc},
};

use super::{
    Alert, CHANNELS_MAX, Columns, EVIDENCE_BYTES_MAX, FOR_MS_MAX, Load, Notification, REASON_BYTES_MAX, ROWS_MAX,
    RULE_BYTES_MAX, Verdict,
};
use crate::{
    CallError, contract,
    description::BATCH_MAX,
    functions::Functions,
    guest_state::{GuestState, inert_cut},
    instance::{CallClass, Instance},
};

/// Bytes of a verdict and of a notification with sentences as long as the contract takes them.
const VERDICT_BYTES_MAX: usize = size_of::<Verdict>() + RULE_BYTES_MAX + REASON_BYTES_MAX + EVIDENCE_BYTES_MAX;
const NOTIFICATION_BYTES_MAX: usize = size_of::<Notification>()
    + CHANNELS_MAX * (size_of::<String>() + RULE_BYTES_MAX)
    + REASON_BYTES_MAX
    + EVIDENCE_BYTES_MAX;
/// Bytes of the longest answers: 11 MiB, and 1 MiB.
const VERDICTS_BYTES_MAX: usize = ROWS_MAX * VERDICT_BYTES_MAX;
const NOTIFICATIONS_BYTES_MAX: usize = BATCH_MAX as usize * NOTIFICATION_BYTES_MAX;

/// The functions of `switchyard:alerting/alerting@0.1.0` in one instance.
pub(crate) struct AlertingCalls {
    evaluate: TypedFunc<(u64, &'static Columns, bool), (Vec<Verdict>,)>,
    notify: TypedFunc<(u64, &'static [Alert]), (Vec<Notification>,)>,
    adopt: TypedFunc<(u64, &'static [Alert], bool), ()>,
    tick: TypedFunc<(u64, Load), ()>,
}

impl AlertingCalls {
    pub(crate) fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self> {
        let mut functions = Functions::of(store, instance, contract::ALERTING)?;
        Ok(Self {
            evaluate: functions.find("evaluate")?,
            notify: functions.find("notify")?,
            adopt: functions.find("adopt")?,
            tick: functions.find("tick")?,
        })
    }
}

/// The hooks, each with its budget.
impl Instance<AlertingCalls> {
    pub(crate) fn evaluate(&mut self, now_ms: u64, columns: &Columns, last: bool) -> Result<Vec<Verdict>, CallError> {
        let evaluate =
            |calls: &AlertingCalls, store: &mut Store<GuestState>| calls.evaluate.call(store, (now_ms, columns, last));
        let (verdicts,) = self.call_copying(CallClass::Batched, VERDICTS_BYTES_MAX, evaluate)?;
        if verdicts.len() > ROWS_MAX {
            return Err(invalid(format!("{} verdicts: at most {ROWS_MAX} are taken", verdicts.len())));
        }
        verdicts.into_iter().map(checked).collect()
    }

    pub(crate) fn notify(&mut self, now_ms: u64, alerts: &[Alert]) -> Result<Vec<Notification>, CallError> {
        let notify = |calls: &AlertingCalls, store: &mut Store<GuestState>| calls.notify.call(store, (now_ms, alerts));
        let (notifications,) = self.call_copying(CallClass::Batched, NOTIFICATIONS_BYTES_MAX, notify)?;
        if notifications.len() > alerts.len() {
            return Err(invalid(format!("{} notifications about {} alerts", notifications.len(), alerts.len())));
        }
        notifications.into_iter().map(|notification| sendable(notification, alerts.len())).collect()
    }

    pub(crate) fn adopt(&mut self, now_ms: u64, alerts: &[Alert], last: bool) -> Result<(), CallError> {
        self.call(CallClass::Lifecycle, |calls, store| calls.adopt.call(store, (now_ms, alerts, last)))
    }

    pub(crate) fn tick(&mut self, now_ms: u64, load: Load) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.tick.call(store, (now_ms, load)))
    }
}

fn invalid(reason: String) -> CallError {
    CallError::InvalidResult(reason)
}

/// A name is part of an alert's identity, so it is not cut; sentences are for people, and are.
fn checked(verdict: Verdict) -> Result<Verdict, CallError> {
    let Verdict { rule, value, for_ms, .. } = &verdict;
    if rule.is_empty() || rule.len() > RULE_BYTES_MAX || rule.chars().any(char::is_control) {
        return Err(invalid(format!("a rule's name has 1 to {RULE_BYTES_MAX} bytes and no control characters")));
    }
    if !value.is_finite() {
        return Err(invalid(format!("the value {value} is not finite")));
    }
    if *for_ms > FOR_MS_MAX {
        return Err(invalid(format!("a condition that must last {for_ms} ms: at most {FOR_MS_MAX}, a week")));
    }
    Ok(Verdict {
        reason: inert_cut(&verdict.reason, REASON_BYTES_MAX),
        evidence: inert_cut(&verdict.evidence, EVIDENCE_BYTES_MAX),
        ..verdict
    })
}

fn sendable(notification: Notification, alerts: usize) -> Result<Notification, CallError> {
    let Notification { alert, channels, title, text } = notification;
    if alert as usize >= alerts {
        return Err(invalid(format!("a notification about alert {alert} of {alerts}")));
    }
    if channels.len() > CHANNELS_MAX {
        return Err(invalid(format!("{} channels: at most {CHANNELS_MAX} are taken", channels.len())));
    }
    let channels = channels.iter().map(|channel| inert_cut(channel, RULE_BYTES_MAX)).collect();
    let (title, text) = (inert_cut(&title, REASON_BYTES_MAX), inert_cut(&text, EVIDENCE_BYTES_MAX));
    Ok(Notification { alert, channels, title, text })
}
