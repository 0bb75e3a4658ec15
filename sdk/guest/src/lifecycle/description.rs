use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use super::{Description, Interests};

/// Counters and gauges of one plugin, together.
const MEASURES_MAX: usize = 32;
/// Names end up in keys, file names and terminals.
const NAME_CHARS_MAX: usize = 63;

/// Name and version of a plugin. Checked where the export macro expands: a plugin with a name that no host takes does
/// not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    name: &'static str,
    version: &'static str,
}

impl Identity {
    /// Takes lower-case letters, digits and single hyphens, 1 to 63 characters that begin with a letter.
    ///
    /// # Panics
    /// At compile time, when the name is not of that shape.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        assert!(
            is_name(name.as_bytes()),
            "the plugin's name must be 1 to 63 lower-case letters, digits and single hyphens, beginning with a letter"
        );
        Self { name, version }
    }
}

const fn is_name(mut rest: &[u8]) -> bool {
    let length = rest.len();
    let mut previous = b'-';
    while let [byte, tail @ ..] = rest {
        let letter = byte.is_ascii_lowercase();
        let inner = byte.is_ascii_digit() || (*byte == b'-' && previous != b'-');
        if !(letter || (inner && rest.len() < length)) {
            return false;
        }
        previous = *byte;
        rest = tail;
    }
    length <= NAME_CHARS_MAX && previous != b'-'
}

/// What a strategy counts and wants to be told, checked at compile time.
#[derive(Debug, Clone, Copy)]
pub struct Measures {
    interests: Interests,
    counters: &'static [&'static str],
    gauges: &'static [&'static str],
}

impl Measures {
    /// Takes at most 32 counters and gauges together, and interests within their ranges.
    ///
    /// # Panics
    /// At compile time, when there are more.
    pub const fn new(interests: Interests, counters: &'static [&'static str], gauges: &'static [&'static str]) -> Self {
        interests.check();
        assert!(counters.len() + gauges.len() <= MEASURES_MAX, "COUNTERS and GAUGES: at most 32 together");
        Self { interests, counters, gauges }
    }
}

/// What a plugin says of itself.
pub fn describe<C: JsonSchema + Default + Serialize>(
    identity: Identity,
    kind: &str,
    state_format: Option<&str>,
    measures: Measures,
) -> Description {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Description {
        name: identity.name.to_owned(),
        version: identity.version.to_owned(),
        kinds: vec![kind.to_owned()],
        configuration_schema: schema_for!(C).as_value().to_string(),
        // A default that does not serialise is an empty text, which is not JSON: the host refuses it at `describe`.
        configuration_default: serde_json::to_string(&C::default()).unwrap_or_default(),
        state_format: state_format.map(str::to_owned),
        interests: measures.interests.describe(),
        counters: names(measures.counters),
        gauges: names(measures.gauges),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_inert_everywhere() {
        for name in ["a", "caching-lru", "s3-fifo2", &"a".repeat(63)] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        for name in ["", "-a", "a-", "a--b", "1a", "A", "a_b", "a.b", "é", &"a".repeat(64)] {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
    }
}
