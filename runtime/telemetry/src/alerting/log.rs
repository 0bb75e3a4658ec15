use super::{ChangeKind, Notice, Severity};

/// A line for a change.
pub(super) fn write(notice: &Notice) {
    let (alert, Notice { title, text, .. }) = (&notice.change.alert, notice);
    let (rule, severity, value, series) = (&alert.rule, alert.severity.name(), alert.value, &alert.series);
    match notice.change.kind {
        ChangeKind::Resolved => tracing::info!(rule, severity, %series, title, "alert resolved"),
        ChangeKind::Severity => {
            tracing::warn!(rule, severity, %series, value, title, text, "alert changed its severity");
        }
        ChangeKind::Fired if alert.severity == Severity::Info => {
            tracing::info!(rule, severity, %series, value, title, text, "alert fired");
        }
        ChangeKind::Fired => tracing::warn!(rule, severity, %series, value, title, text, "alert fired"),
    }
}
