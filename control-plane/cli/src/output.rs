use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For people who look for a fault: with more columns, where there are more
    Wide,
    /// One JSON value
    Json,
}

/// Prints a result: the value itself as JSON, or what `table` makes of it.
pub(crate) fn print<T: Serialize + ?Sized>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> Result<String>,
) -> Result<()> {
    match format {
        Format::Json => line(&serde_json::to_string(value).context("the result cannot be written as JSON")?),
        Format::Table | Format::Wide => line(&table(value)?),
    }
}

/// One line of a result. A reader that has gone away is an error to report, not a panic.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()).context("standard output is closed")
}

/// Text that came from elsewhere, made harmless for a terminal: control characters are shown, not obeyed.
pub(crate) fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_harmless(char) {
            shown.push(char);
        } else {
            shown.extend(char.escape_default());
        }
    }
    shown
}

/// Beside control characters, the ones that turn the direction of text make a line read as another than it is.
fn is_harmless(char: char) -> bool {
    let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !char.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_inert() {
        assert_eq!(inert("a\u{1b}[31mb\nc\td"), "a\\u{1b}[31mb\\nc\\td");
        assert_eq!(inert("x\u{202e}y\u{9b}z"), "x\\u{202e}y\\u{9b}z");
        assert_eq!(inert("größer 缓存"), "größer 缓存");
    }
}
