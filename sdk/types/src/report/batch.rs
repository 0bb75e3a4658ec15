use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::{Map, Value};

use crate::{Event, NodeId, Window};

/// Items of one batch.
pub const BATCH_ITEMS_MAX: usize = 256;
/// Bytes of one batch's items.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// Part of what a node has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportBatch {
    /// Who tells it.
    pub node: NodeId,
    /// All items are of one process.
    pub session: SessionId,
    /// The leader that the node told last; another one takes nothing and says who it is, because the node has to begin with
    /// what it still remembers.
    #[serde(default)]
    pub term: Option<u64>,
    /// In the order of their numbers. A number that is left out stands for something that was dropped.
    pub items: Vec<NumberedItem>,
    /// What had to be dropped since the node started, because nobody took it.
    #[serde(default)]
    pub dropped: Dropped,
}

/// What a server answers to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// Everything of the batch's session up to this number need not be told again, to this leader. None: nothing was taken.
    pub acknowledged: Option<u64>,
    /// Names the leader that took it, and its memory: under another one the node tells again what it still remembers.
    pub term: u64,
}

/// How much was never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dropped {
    /// Windows.
    pub windows: u64,
    /// Events.
    pub events: u64,
}

/// An item with its number, which no other item of its session has.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedItem {
    /// From 1 on.
    pub sequence: u64,
    /// What is told.
    pub item: ReportItem,
}

/// What a node may have to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportItem {
    /// Figures of some seconds.
    Window(Box<Window>),
    /// Something that happened.
    Event(Box<Event>),
    /// What this version cannot read, as it came.
    Unknown(Map<String, Value>),
}

const SEQUENCE: &str = "sequence";
const ITEM: &str = "item";

impl Serialize for NumberedItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a, T> {
            sequence: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            item: Option<&'static str>,
            #[serde(flatten)]
            content: &'a T,
        }
        let sequence = self.sequence;
        match &self.item {
            ReportItem::Window(content) => Written { sequence, item: Some("window"), content }.serialize(serializer),
            ReportItem::Event(content) => Written { sequence, item: Some("event"), content }.serialize(serializer),
            ReportItem::Unknown(content) => Written { sequence, item: None, content }.serialize(serializer),
        }
    }
}

/// Only the number must be there; what cannot be read besides is [`ReportItem::Unknown`].
impl<'de> Deserialize<'de> for NumberedItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let sequence = map.remove(SEQUENCE).and_then(|sequence| sequence.as_u64());
        let sequence = sequence.ok_or_else(|| D::Error::custom("an item has no sequence"))?;
        let kind = map.get(ITEM).and_then(Value::as_str);
        let item = match kind {
            Some("window") => Box::deserialize(&map).ok().map(ReportItem::Window),
            Some("event") => Box::deserialize(&map).ok().map(ReportItem::Event),
            _ => None,
        };
        Ok(Self { sequence, item: item.unwrap_or(ReportItem::Unknown(map)) })
    }
}

/// One process of a node: 16 lower-case hexadecimal digits that it draws when it starts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// From a random number.
    pub fn from_random(random: u64) -> Self {
        Self(format!("{random:016x}"))
    }
}

impl FromStr for SessionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(20).collect();
        Err(format!("{shown:?} is not a session: expected 16 lower-case hexadecimal digits"))
    }
}

impl TryFrom<String> for SessionId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(session: SessionId) -> Self {
        session.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::EventKind;

    #[test]
    fn a_batch_is_read_as_it_is_written() {
        let window = json!({"slot": {"kind": "caching"}, "hook": "store", "start_unix_ms": 1, "span_ms": 10_000,
                            "calls": 7, "latency": [[40, 7]]});
        let items = vec![
            NumberedItem { sequence: 3, item: ReportItem::Window(serde_json::from_value(window).unwrap()) },
            NumberedItem {
                sequence: 5,
                item: ReportItem::Event(Box::new(Event::new(EventKind::Healthy, 9, "sessions runs well"))),
            },
        ];
        let batch = ReportBatch {
            node: "node-1".parse().unwrap(),
            session: SessionId::from_random(7),
            term: Some(2),
            items,
            dropped: Dropped { windows: 1, events: 0 },
        };
        let text = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<ReportBatch>(&text).unwrap(), batch, "{text}");
    }

    #[test]
    fn what_a_newer_node_tells_is_kept_and_stops_nothing() {
        let items = json!([
            {"sequence": 1, "item": "verdict", "better": true},
            {"sequence": 2, "item": "event", "at_unix_ms": 1, "kind": "teleported", "message": "m", "to": "mars"},
            {"sequence": 3, "item": "event", "at_unix_ms": 1, "kind": "flipped", "slot": {"kind": "cooking"}},
            {"sequence": 4},
        ]);
        let read: Vec<NumberedItem> = serde_json::from_value(items.clone()).unwrap();
        let unknown: Vec<_> = read.iter().map(|item| matches!(item.item, ReportItem::Unknown(_))).collect();
        assert_eq!(unknown, [true, false, true, true]);
        assert_eq!(serde_json::to_value(&read[0]).unwrap(), items[0]);
        for wrong in [json!({"item": "event"}), json!({"sequence": -1}), json!(7)] {
            assert!(serde_json::from_value::<NumberedItem>(wrong).is_err());
        }
    }

    #[test]
    fn a_session_is_sixteen_digits() {
        let session = SessionId::from_random(u64::MAX);
        assert_eq!(session.to_string().parse(), Ok(session));
        for wrong in ["", "a/b", "00000000000000000", "000000000000000G", "\u{1b}[31m"] {
            assert!(wrong.parse::<SessionId>().is_err_and(|error| !error.contains('\u{1b}')), "{wrong}");
        }
    }
}
