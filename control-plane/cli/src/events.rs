use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Result;
use clap::Args;
use switchyard_types::{FleetEvent, NodeId, SessionId, StrategyName, WatchKind};

use crate::{
    arguments::Global,
    http::{Client, Follow},
    output::{self, Format},
    runtime::block_on,
    table::{Rolling, table},
};

/// Events that a watch remembers: a server that begins to lead tells them again, and keeps no more itself.
const SEEN_MAX: usize = 10_000;
const HEAD: [&str; 8] = ["at", "node", "kind", "slot", "strategy", "generation", "stage", "message"];

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only of this node
    #[arg(long, value_name = "NODE")]
    node: Option<NodeId>,
    /// Only of this strategy
    #[arg(long, value_name = "NAME")]
    strategy: Option<StrategyName>,
    /// Only of this kind, for example flipped, refused or quarantined
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Go on with what happens, until interrupted; with -o json one event a line
    #[arg(short, long)]
    watch: bool,
}

impl Events {
    fn query(&self) -> Vec<(&'static str, String)> {
        let node = self.node.as_ref().map(|node| ("node", node.to_string()));
        let strategy = self.strategy.as_ref().map(|strategy| ("strategy", strategy.to_string()));
        let kind = self.kind.as_ref().map(|kind| ("kind", kind.clone()));
        [node, strategy, kind].into_iter().flatten().collect()
    }
}

pub(crate) fn run(verb: &Events, global: &Global) -> Result<()> {
    let client = Client::new(global)?;
    if verb.watch {
        return watch(&client, verb.query(), global.output);
    }
    let mut events = block_on(client.events(&verb.query()))?;
    // They come in the order in which the server heard of them.
    events.sort_by_key(|event| event.event.at_unix_ms);
    output::print(global.output, events.as_slice(), |events| Ok(table(&HEAD, &[], events.iter().map(row))))
}

fn watch(client: &Client, query: Vec<(&'static str, String)>, format: Format) -> Result<()> {
    let mut rolling = Rolling::default();
    let mut seen = Seen::default();
    if format != Format::Json {
        output::line(&rolling.row(&HEAD.map(str::to_uppercase)))?;
    }
    block_on(client.follow(Follow::events(query), |line| {
        if line.kind != WatchKind::Added {
            return Ok(());
        }
        // What only a newer server knows is passed over.
        let Ok(event) = serde_json::from_value::<FleetEvent>(line.object.clone()) else { return Ok(()) };
        if !seen.is_new(&event) {
            return Ok(());
        }
        match format {
            Format::Json => output::line(&serde_json::to_string(&event)?),
            Format::Table | Format::Wide => output::line(&rolling.row(&row(&event))),
        }
    }))
}

/// What was shown already.
#[derive(Default)]
struct Seen(BTreeSet<(NodeId, SessionId, u64)>);

impl Seen {
    fn is_new(&mut self, event: &FleetEvent) -> bool {
        if self.0.len() >= SEEN_MAX {
            self.0.clear();
        }
        self.0.insert((event.node.clone(), event.session.clone(), event.sequence))
    }
}

fn row(event: &FleetEvent) -> Vec<String> {
    let FleetEvent { node, event, .. } = event;
    let place = event.slot.as_ref().map(ToString::to_string);
    let place = place.or_else(|| event.route.as_ref().map(|route| format!("route/{route}")));
    vec![
        time(event.at_unix_ms),
        node.to_string(),
        event.kind.as_str().to_owned(),
        place.unwrap_or_default(),
        event.strategy.as_ref().map(ToString::to_string).unwrap_or_default(),
        event.generation.map(|generation| generation.to_string()).unwrap_or_default(),
        event.stage.map(|stage| stage.to_string()).unwrap_or_default(),
        event.message.clone(),
    ]
}

/// In UTC. A time that no calendar has is shown as the number that it is.
fn time(unix_ms: u64) -> String {
    // The end of the year 9999.
    const LAST_MS: u64 = 253_402_300_799_999;
    if unix_ms > LAST_MS {
        return unix_ms.to_string();
    }
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(sequence: u64, message: &str) -> FleetEvent {
        serde_json::from_value(json!({
            "node": "node-1", "session": "0000000000000001", "sequence": sequence, "at_unix_ms": 1_700_000_000_000_u64,
            "kind": "refused", "slot": {"kind": "caching", "target": "a\u{1b}]0;b\u{7}\n"}, "strategy": "sessions",
            "generation": {"epoch": 0, "counter": 3}, "stage": "link", "message": message,
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_a_row_and_what_a_node_sent_is_inert() {
        let event = event(1, "no import \u{1b}[31mred\u{1b}[0m\r\nerror: forged <script>\u{202e}");
        let rows = table(&HEAD, &[], [row(&event)]);
        let rolling = Rolling::default().row(&row(&event));
        for text in [&rows, &rolling] {
            assert!(text.contains("2023-11-14T22:13:20.000Z  node-1  refused"), "{text}");
            assert!(text.contains("no import \\u{1b}[31mred\\u{1b}[0m\\r\\nerror: forged"), "{text}");
            assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{text:?}");
        }
        assert_eq!(rows.lines().count(), 2, "a message makes no line of its own");
        assert_eq!((time(0), time(u64::MAX)), ("1970-01-01T00:00:00.000Z".to_owned(), u64::MAX.to_string()));
    }

    #[test]
    fn what_is_told_again_is_shown_once() {
        let mut seen = Seen::default();
        assert!(seen.is_new(&event(1, "")) && seen.is_new(&event(2, "")) && !seen.is_new(&event(1, "")));
    }
}
