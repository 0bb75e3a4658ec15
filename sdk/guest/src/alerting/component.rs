use super::{Alert, Alerting, Columns, EVIDENCE_BYTES_MAX, Load, Notification, REASON_BYTES_MAX, Verdict};
use crate::{
    lifecycle::{common_hooks, component},
    text::cut,
};

component!(Alerting);
common_hooks!(Alerting, resident: Alert, load: Load);

impl<S: Alerting> Component<S> {
    /// See `evaluate` in `sdk/wit/alerting`.
    pub fn evaluate(&mut self, now_ms: u64, columns: &Columns, last: bool) -> Vec<Verdict> {
        let mut verdicts =
            self.strategy.as_mut().map(|strategy| strategy.evaluate(now_ms, columns, last)).unwrap_or_default();
        for verdict in &mut verdicts {
            cut(&mut verdict.reason, REASON_BYTES_MAX);
            cut(&mut verdict.evidence, EVIDENCE_BYTES_MAX);
        }
        verdicts
    }

    /// See `notify`.
    pub fn notify(&mut self, now_ms: u64, alerts: &[Alert]) -> Vec<Notification> {
        let mut notifications =
            self.strategy.as_mut().map(|strategy| strategy.notify(now_ms, alerts)).unwrap_or_default();
        for notification in &mut notifications {
            cut(&mut notification.title, REASON_BYTES_MAX);
            cut(&mut notification.text, EVIDENCE_BYTES_MAX);
        }
        notifications
    }
}

/// Makes a component of a [`Alerting`](crate::alerting::Alerting) strategy. Name and version are the package's, or given:
/// `export_alerting!(Strategy, name: "my-plugin", version: "1.0.0")`.
///
/// Natively only the checks remain, so that several plugins can be linked into one test.
#[macro_export]
macro_rules! export_alerting {
    ($strategy:ty) => {
        $crate::export_alerting!($strategy, name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"));
    };
    ($strategy:ty, name: $name:expr, version: $version:expr) => {
        const _: () = {
            use $crate::bindings::alerting::exports::switchyard::alerting::alerting;

            $crate::__export_lifecycle!(
                $strategy, $crate::alerting::Alerting, "alerting", $crate::alerting::Component<$strategy>, $name, $version
            );

            impl alerting::Guest for Exports {
                fn evaluate(now: u64, columns: alerting::Columns, last: bool) -> Vec<alerting::Verdict> {
                    INSTANCE.with_borrow_mut(|instance| instance.evaluate(now, &columns, last))
                }

                fn notify(now: u64, alerts: Vec<alerting::Alert>) -> Vec<alerting::Notification> {
                    INSTANCE.with_borrow_mut(|instance| instance.notify(now, &alerts))
                }

                fn adopt(now: u64, residents: Vec<alerting::Alert>, last: bool) {
                    INSTANCE.with_borrow_mut(|instance| instance.adopt(now, &residents, last));
                }

                fn tick(now: u64, load: alerting::Load) {
                    INSTANCE.with_borrow_mut(|instance| instance.tick(now, &load));
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::alerting::export_alerting!(Exports with_types_in $crate::bindings::alerting);
        };
    };
}
