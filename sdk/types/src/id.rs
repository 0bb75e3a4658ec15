use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Names end up in keys, file names, log lines and terminals: one alphabet that is inert in all of them.
const NAME_CHARS_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {text:?} is not valid: expected 1 to 63 lower-case letters, digits and single hyphens, beginning with a \
     letter and not ending with a hyphen"
)]
pub struct IdError {
    what: &'static str,
    text: String,
}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    let alphabet = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if alphabet && starts && text.len() <= NAME_CHARS_MAX && !text.ends_with('-') && !text.contains("--") {
        return Ok(());
    }
    Err(IdError { what, text: text.chars().take(NAME_CHARS_MAX + 1).collect() })
}

macro_rules! name {
    ($type:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

name!(PluginName, "plugin name", "The name that a plugin gives itself in `describe`.");
name!(
    StrategyName,
    "strategy name",
    "The name of a strategy: one plugin with one configuration, declared by an operator."
);
name!(RouteName, "route name", "The name of a route: which requests go to which backends, declared by an operator.");
name!(NodeId, "node id", "The identity of a node, kept in its data folder.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_one_alphabet() {
        for good in ["a", "caching-s3fifo", "n0", &"x".repeat(63)] {
            assert!(good.parse::<PluginName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "0a", "A", "a/b", "../a", "a\u{1b}[31m", "a b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_what_was_wrong_and_is_inert_in_a_terminal() {
        let error = "a\u{1b}[31m".parse::<StrategyName>().expect_err("not a name").to_string();
        assert!(error.starts_with("strategy name") && !error.contains('\u{1b}'), "{error}");
    }
}
