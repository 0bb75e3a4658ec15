use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use switchyard_host::caching::{Budget, Unit};
use switchyard_types::parse_bytes;

/// How large a replayed cache is. In JSON, entries are a number and bytes are the text with its unit, as on the command
/// line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Size {
    /// `979`: so many entries, whatever their sizes.
    Entries(u64),
    /// `128MiB`: so many bytes; `text` is how it was written.
    Bytes {
        /// The number.
        bytes: u64,
        /// As it was given.
        text: String,
    },
}

/// Why a text is not the size of a cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "size {0:?} is not valid: expected a number of entries from 1, for example 979, or bytes with a unit, for example \
     128MiB"
)]
pub struct SizeError(String);

impl Size {
    /// The size as the engine's budget.
    pub fn budget(&self) -> Budget {
        match *self {
            Self::Entries(capacity) => Budget { unit: Unit::Entries, capacity },
            Self::Bytes { bytes, .. } => Budget { unit: Unit::Bytes, capacity: bytes },
        }
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let size = match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().ok().map(Self::Entries),
            false => parse_bytes(text).ok().map(|bytes| Self::Bytes { bytes, text: text.to_owned() }),
        };
        size.filter(|size| size.budget().capacity > 0).ok_or_else(|| SizeError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(entries) => f.pad(&entries.to_string()),
            Self::Bytes { text, .. } => f.pad(text),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Entries(entries) => serializer.serialize_u64(*entries),
            Self::Bytes { text, .. } => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(entries) => entries.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_counts_entries_and_a_unit_counts_bytes() {
        let check = |text: &str, unit, capacity| {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.budget(), size.to_string()), (Budget { unit, capacity }, text.to_owned()));
            let json = serde_json::to_string(&size).unwrap();
            assert_eq!(serde_json::from_str::<Size>(&json).unwrap(), size);
        };
        check("979", Unit::Entries, 979);
        check("128MiB", Unit::Bytes, 128 << 20);
        check("1.5KB", Unit::Bytes, 1500);
        assert_eq!(serde_json::to_string(&Size::Entries(979)).unwrap(), "979");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "0", "0MiB", "-5", "12XB", "1e3", "99999999999999999999", "0.1B"] {
            let error = text.parse::<Size>().expect_err(text).to_string();
            assert!(error.contains("979") && error.contains("128MiB"), "{error}");
        }
    }
}
