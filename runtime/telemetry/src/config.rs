use std::{path::PathBuf, time::Duration};

use crate::alerting::WebhookConfig;

/// Series posted by others unless configured. A histogram counts as many as lines stand for it in the exposition.
const SERIES_MAX: usize = 10_000;
/// How long a series is remembered, and how long it stays after its last value, unless configured.
const RETENTION: Duration = Duration::from_secs(600);
/// How often the machine and the engines are asked unless configured.
const COLLECT_INTERVAL: Duration = Duration::from_secs(5);
/// How often every series is shown to the alerting strategy unless configured: as often as there are new figures.
const EVALUATE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the scoring strategy is asked unless configured: a score is for people.
const SCORE_INTERVAL: Duration = Duration::from_secs(15);
/// Clients at once unless configured: one scraper and a few hundred processes that post.
const CONNECTIONS_MAX: usize = 512;

/// What telemetry needs.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// Series posted by others; what is over it is refused and counted, and the series that are there stay.
    pub series_max: usize,
    /// How far back windows reach, and how long a silent series stays.
    pub retention: Duration,
    /// How often the machine and the engines are asked.
    pub collect_interval: Duration,
    /// How often every series is shown to the alerting strategy.
    pub evaluate_interval: Duration,
    /// How often the scoring strategy is asked.
    pub score_interval: Duration,
    /// Clients at once; more wait.
    pub connections_max: usize,
    /// Where notifications of alerts go besides the log.
    pub webhook: Option<WebhookConfig>,
    /// The file that keeps active alerts over a restart; none: a restart forgets them.
    pub alerts_file: Option<PathBuf>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            series_max: SERIES_MAX,
            retention: RETENTION,
            collect_interval: COLLECT_INTERVAL,
            evaluate_interval: EVALUATE_INTERVAL,
            score_interval: SCORE_INTERVAL,
            connections_max: CONNECTIONS_MAX,
            webhook: None,
            alerts_file: None,
        }
    }
}
