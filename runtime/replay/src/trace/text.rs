use super::{Request, error::Fault, lines::Lines};
use crate::id;

/// Reads one id a line. Empty lines and those that begin with `*` (the marks of the LIRS traces) are no requests.
pub(super) struct TextReader {
    lines: Lines,
    requests: u64,
}

impl TextReader {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, requests: 0 }
    }

    pub(super) fn line(&self) -> u64 {
        self.lines.number()
    }

    pub(super) fn next(&mut self) -> Result<Option<Request>, Fault> {
        while let Some(line) = self.lines.next()? {
            if line.is_empty() || line.starts_with('*') {
                continue;
            }
            let now_ms = self.requests;
            self.requests += 1;
            return Ok(Some(Request { now_ms, id: id::of_text(line), size: 1 }));
        }
        Ok(None)
    }
}
