use super::{Change, Phase};

/// The log, as a strategy names it.
const LOG: &str = "log";
/// The webhook, as a strategy names it.
const WEBHOOK: &str = "webhook";

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// The node's log: `log`.
    pub log: bool,
    /// The webhook, where the node has one: `webhook`.
    pub webhook: bool,
}

impl Channels {
    /// Everybody that the node's configuration names.
    pub const ALL: Self = Self { log: true, webhook: true };

    /// Those of these names; none: no name is that of a channel.
    pub fn named(names: &[String]) -> Option<Self> {
        let has = |channel: &str| names.iter().any(|name| name == channel);
        let channels = Self { log: has(LOG), webhook: has(WEBHOOK) };
        (channels.log || channels.webhook).then_some(channels)
    }
}

/// What is told about a change, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub change: Change,
    /// Who is told.
    pub channels: Channels,
    /// One line.
    pub title: String,
    /// The rest.
    pub text: String,
}

impl Notice {
    /// The rule's own words to everybody: what a strategy without an opinion says too.
    pub fn own(change: Change) -> Self {
        let alert = &change.alert;
        let state = match alert.state {
            Phase::Resolved => "resolved".to_owned(),
            Phase::Pending | Phase::Firing => alert.severity.name().to_lowercase(),
        };
        let title = format!("[{state}] {}: {}", alert.rule, alert.series);
        Self { channels: Channels::ALL, title, text: alert.reason.clone(), change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_names() {
        let check = |names: &[&str], expected: Option<(bool, bool)>| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Channels::named(&names).map(|channels| (channels.log, channels.webhook)), expected);
        };
        check(&["log"], Some((true, false)));
        check(&["pager", "webhook"], Some((false, true)));
        check(&["pager"], None);
    }
}
