use serde::Deserialize;

use crate::problem::Problem;

/// Entries of a page unless the caller says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// Entries of a page at most.
pub(crate) const LIMIT_MAX: usize = 500;
/// Characters of a `continue` token: twice those of the longest key.
const TOKEN_CHARS_MAX: usize = 2 * switchyard_store::KEY_BYTES_MAX;

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    pub(crate) limit: usize,
    /// Only what stands after this key, without the prefix of its list.
    pub(crate) after: Option<String>,
}

/// As it stands in a query.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Entries wanted, 1 to 500; 100 unless given.
    pub(crate) limit: Option<usize>,
    /// From an earlier answer's `continue`: what comes after it.
    #[serde(rename = "continue")]
    #[param(rename = "continue")]
    pub(crate) continue_token: Option<String>,
}

impl PageRequest {
    pub(crate) fn parse(query: PageQuery) -> Result<Self, Problem> {
        let limit = limit(query.limit)?;
        let after = query.continue_token.as_deref().map(decode).transpose()?;
        Ok(Self { limit, after })
    }
}

/// How many entries a caller gets who wants so many.
pub(crate) fn limit(wanted: Option<usize>) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid(format_args!("limit is {limit}: expected 1 to {LIMIT_MAX}")))
}

/// The token that continues after `key`. It holds a place, not a position in a copy: it stays good however long the
/// caller takes, and whatever comes and goes meanwhile.
pub(crate) fn encode(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn decode(token: &str) -> Result<String, Problem> {
    let wrong = || Problem::invalid("continue is not a token of this list: take it from an answer, or leave it out");
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if token.is_empty()
        || token.len() > TOKEN_CHARS_MAX
        || !token.len().is_multiple_of(2)
        || !token.as_bytes().iter().all(hex)
    {
        return Err(wrong());
    }
    let mut key = String::with_capacity(token.len() / 2);
    for pair in token.as_bytes().chunks_exact(2) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        let byte = u8::from_str_radix(pair, 16).ok().filter(u8::is_ascii_graphic).ok_or_else(wrong)?;
        key.push(char::from(byte));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_what_it_wrote_and_nothing_else() {
        for key in ["a", "caching-lru/0.1.0", "x/1.0.0-rc.1+build"] {
            assert_eq!(decode(&encode(key)).unwrap(), key);
        }
        for token in ["", "6", "zz", "6A", "00", "ff", "é", "6\u{fffd}", &"61".repeat(513)] {
            assert!(decode(token).is_err(), "{token}");
        }
    }

    #[test]
    fn limits_keep_their_range() {
        let limit = |limit| PageRequest::parse(PageQuery { limit, continue_token: None });
        assert_eq!(limit(None).unwrap().limit, LIMIT_DEFAULT);
        assert_eq!(limit(Some(500)).unwrap().limit, 500);
        for wrong in [0, 501, usize::MAX] {
            assert!(limit(Some(wrong)).unwrap_err().public.message.contains("expected 1 to 500"));
        }
    }
}
