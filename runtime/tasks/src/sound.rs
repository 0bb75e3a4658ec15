use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A JSON value that every reader can read, and nothing of it kept: its text is Unicode, its numbers are finite, it is not
/// nested without end. serde's `IgnoredAny` checks none of this, and a job that no worker can read fails them one by one.
///
/// It is read from a `str`, which has checked the encoding of the whole at once.
pub(crate) struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Sound, A::Error> {
        while values.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sound, A::Error> {
        while fields.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, sound: bool) {
        assert_eq!(serde_json::from_str::<Sound>(json).is_ok(), sound, "{json}");
    }

    #[test]
    fn what_a_reader_would_refuse_is_not_sound() {
        for json in
            ["null", "true", "-1", "18446744073709551616", "1e308", r#""\ud83d\ude00""#, r#"{"a":[{},[1,"é"]]}"#]
        {
            check(json, true);
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        check(&deep(100), true);
        check(&deep(200), false);
        for json in ["1e999", "[-1e999]", r#""\ud800""#, r#"{"\ud800":1}"#, r#"{"a":"\udc00x"}"#, "[1,]", ""] {
            check(json, false);
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_a_reader_that_keeps_everything(json in r#"[\[\]{},:"a0e9.\\ud8\u{e9}-]{0,24}"#) {
            let read = serde_json::from_str::<serde_json::Value>(&json).is_ok();
            proptest::prop_assert_eq!(serde_json::from_str::<Sound>(&json).is_ok(), read);
        }
    }
}
