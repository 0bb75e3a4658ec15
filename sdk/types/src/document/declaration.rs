use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

use super::{RouteDocument, StrategyDocument};

/// A document of any kind that an operator declares.
#[derive(Debug, Clone, PartialEq)]
pub enum Declaration {
    /// `kind: Strategy`.
    Strategy(StrategyDocument),
    /// `kind: Route`.
    Route(RouteDocument),
}

/// Characters of an unknown kind that a message repeats.
const SHOWN_CHARS_MAX: usize = 80;

impl Declaration {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Strategy(document) => document.name.as_str(),
            Self::Route(document) => document.name.as_str(),
        }
    }

    /// What messages call it: `strategy` or `route`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Strategy(_) => "strategy",
            Self::Route(_) => "route",
        }
    }

    fn read<'de, D: Deserializer<'de>>(kind: &str, document: D) -> Result<Self, D::Error> {
        match kind {
            "Strategy" => StrategyDocument::deserialize(document).map(Self::Strategy),
            "Route" => RouteDocument::deserialize(document).map(Self::Route),
            _ => {
                let kind: String = kind.chars().take(SHOWN_CHARS_MAX).collect();
                Err(D::Error::custom(format_args!("kind is {kind:?}: expected \"Strategy\" or \"Route\"")))
            }
        }
    }
}

/// The kind says which keys there are. Where it stands first, as it should, the rest is read as it comes, and an error knows
/// its line; where it comes later, everything is read before.
impl<'de> Deserialize<'de> for Declaration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Declaration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document with the keys kind, name and spec")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Declaration, A::Error> {
        let Some(first) = map.next_key::<String>()? else { return Err(A::Error::missing_field("kind")) };
        if first == "kind" {
            let kind: String = map.next_value()?;
            let whole = WithKind { kind: kind.clone(), state: KindState::Key, rest: map };
            return Declaration::read(&kind, MapAccessDeserializer::new(whole));
        }
        let mut whole = Map::from_iter([(first, map.next_value()?)]);
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if whole.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice")));
            }
        }
        let Some(kind) = whole.get("kind").and_then(Value::as_str).map(str::to_owned) else {
            return Err(A::Error::missing_field("kind"));
        };
        Declaration::read(&kind, Value::Object(whole)).map_err(A::Error::custom)
    }
}

/// A map with the entry that was read from it already.
struct WithKind<A> {
    kind: String,
    state: KindState,
    rest: A,
}

enum KindState {
    Key,
    Value,
    Read,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithKind<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.state {
            KindState::Key => {
                self.state = KindState::Value;
                seed.deserialize("kind".into_deserializer()).map(Some)
            }
            KindState::Value | KindState::Read => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.state {
            KindState::Value => {
                self.state = KindState::Read;
                seed.deserialize(std::mem::take(&mut self.kind).into_deserializer())
            }
            KindState::Key | KindState::Read => self.rest.next_value_seed(seed),
        }
    }
}
