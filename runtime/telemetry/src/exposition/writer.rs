use std::fmt::{self, Write as _};

use super::Format;
use crate::store::{Counts, Kind};

/// Lines of one page. Writing into a text does not fail, so the results are passed over.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    format: Format,
}

impl Writer {
    pub(super) fn new(format: Format) -> Self {
        Self { text: String::new(), format }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    /// What a family is, before its first line.
    pub(super) fn family(&mut self, name: &str, kind: Kind, description: &str) {
        let open = self.format == Format::OpenMetrics;
        // OpenMetrics names the family, the text format its lines.
        let (name, kind) = match kind {
            Kind::Gauge if open && name == "target_info" => ("target".to_owned(), "info"),
            Kind::Gauge => (name.to_owned(), "gauge"),
            Kind::Counter if open => (name.to_owned(), "counter"),
            Kind::Counter => (format!("{name}_total"), "counter"),
            Kind::Histogram => (name.to_owned(), "histogram"),
        };
        let _ = writeln!(self.text, "# HELP {name} {}", Escaped { text: description, quotes: open });
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    pub(super) fn number(&mut self, name: &str, kind: Kind, labels: &str, value: f64) {
        let suffix = if kind == Kind::Counter { "_total" } else { "" };
        let _ = writeln!(self.text, "{name}{suffix}{} {}", Braced(labels), Float(value));
    }

    pub(super) fn histogram(&mut self, name: &str, labels: &str, bounds: &[f64], counts: &Counts) {
        let separator = if labels.is_empty() { "" } else { "," };
        let uppers = bounds.iter().copied().chain([f64::INFINITY]);
        let mut below = 0_u64;
        for (upper, bucket) in uppers.zip(&counts.buckets) {
            below = below.saturating_add(*bucket);
            let _ = writeln!(self.text, "{name}_bucket{{{labels}{separator}le=\"{}\"}} {below}", Float(upper));
        }
        let _ = writeln!(self.text, "{name}_sum{} {}", Braced(labels), Float(counts.sum));
        let _ = writeln!(self.text, "{name}_count{} {below}", Braced(labels));
    }
}

/// Labels as they stand between the braces.
pub(super) fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{name}=\"{}\"", Escaped { text: value, quotes: true });
    }
    text
}

struct Braced<'a>(&'a str);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{{{}}}", self.0) }
    }
}

struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                // The text format has no escape for it and no need of it.
                '\r' => f.write_char(' ')?,
                '"' if self.quotes => f.write_str("\\\"")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A number as both formats and Go read it: always with a point or an exponent, which OpenMetrics asks of `le`.
struct Float(f64);

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value == f64::INFINITY => f.write_str("+Inf"),
            value if value == f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value:?}"),
        }
    }
}
