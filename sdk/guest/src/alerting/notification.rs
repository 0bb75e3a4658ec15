use super::{Alert, Notification, Phase, Severity};

impl Notification {
    /// What is sent about an alert where nobody says otherwise: to the channels of the node's configuration.
    pub fn of(index: u32, alert: &Alert) -> Self {
        let state = match alert.phase {
            Phase::Resolved => "resolved",
            Phase::Pending => "pending",
            Phase::Firing => severity(alert.severity),
        };
        let title = format!("[{state}] {}: {}{{{}}}", alert.rule, alert.name, alert.labels);
        Self { alert: index, channels: Vec::new(), title, text: alert.reason.clone() }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}
