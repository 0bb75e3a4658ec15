use std::io;

/// Why telemetry could not be made or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The listener failed for good.
    #[error("the telemetry listener failed")]
    Listen(#[source] io::Error),
    /// The client of the webhook could not be made.
    #[error("the webhook's client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The webhook's address is not one that may be called.
    #[error("the webhook {url:?} cannot be used: {reason}")]
    Webhook {
        /// The address as it was configured, without user and password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}
