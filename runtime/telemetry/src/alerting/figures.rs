/// How many alerts there are, what became of evaluations, and what of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertFigures {
    /// Seen, but not for long enough.
    pub pending: u64,
    /// Firing now.
    pub firing: u64,
    /// Over, and still kept.
    pub resolved: u64,
    /// Verdicts that had no place.
    pub refused: u64,
    /// Evaluations that the strategy answered.
    pub evaluations: u64,
    /// Evaluations that it did not answer, so that nothing got better or worse.
    pub evaluations_failed: u64,
    /// Changes told in the rule's own words, because the strategy did not say what to tell.
    pub notices_fallback: u64,
    /// Changes that the strategy wanted told to channels that are not there.
    pub channels_unknown: u64,
    /// Changes that the webhook has taken.
    pub notified: u64,
    /// Changes that it refused, or that it could not be told for too long.
    pub notifications_failed: u64,
    /// Changes that were dropped because too many waited.
    pub notifications_dropped: u64,
    /// Changes that wait.
    pub notifications_waiting: u64,
    /// Calls of the webhook that failed and were repeated.
    pub notification_retries: u64,
}
