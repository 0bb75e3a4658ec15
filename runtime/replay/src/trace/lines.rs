use std::io::{BufRead, Read};

use super::error::Fault;

/// A line of a trace is an id, or three fields: what is longer is not one, and is not gathered in memory.
const LINE_BYTES_MAX: u64 = 4096;

/// Reads lines of bounded length.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(crate) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// Of the last line given out, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end; none: there is none any more.
    pub(crate) fn next(&mut self) -> Result<Option<&str>, Fault> {
        self.buffer.clear();
        self.number += 1;
        let read = (&mut self.reader).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > LINE_BYTES_MAX {
            let start = String::from_utf8_lossy(&self.buffer);
            return Err(Fault::invalid(&start, "a line of at most 4096 bytes"));
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(line) if !line.trim_end().contains(|char: char| char.is_control() && char != '\t') => {
                Ok(Some(line.trim()))
            }
            _ => Err(Fault::invalid(&String::from_utf8_lossy(&self.buffer), "a line of text in UTF-8")),
        }
    }
}
