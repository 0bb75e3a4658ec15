use super::{Change, ChangeKind, Severity};

/// A line for every change, whatever else is told of it.
pub(super) fn write(change: &Change) {
    let alert = &change.alert;
    let (rule, severity, value) = (&alert.rule, alert.severity.name(), alert.value);
    let (series, reason) = (&alert.series, &alert.reason);
    match change.kind {
        ChangeKind::Resolved => tracing::info!(rule, severity, %series, "alert resolved"),
        ChangeKind::Severity => tracing::warn!(rule, severity, %series, value, reason, "alert changed its severity"),
        ChangeKind::Fired if alert.severity == Severity::Info => {
            tracing::info!(rule, severity, %series, value, reason, "alert fired");
        }
        ChangeKind::Fired => tracing::warn!(rule, severity, %series, value, reason, "alert fired"),
    }
}
