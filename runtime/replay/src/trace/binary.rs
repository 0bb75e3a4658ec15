use std::io::{ErrorKind, Read};

use super::{Request, error::Fault};
use crate::id;

/// A multiple of an id's 4 bytes, large enough that reading costs nothing beside unpacking.
const BUFFER_BYTES: usize = 64 * 1024;

const ID_BYTES: usize = size_of::<u32>();

/// Reads little-endian 32-bit ids.
pub(super) struct BinaryReader {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of the stream, to the end of the last id given out.
    offset: u64,
}

impl BinaryReader {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, offset: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn next(&mut self) -> Result<Option<Request>, Fault> {
        if self.start + ID_BYTES > self.end && !self.refill()? {
            return Ok(None);
        }
        let bytes = self.buffer.get(self.start..self.start + ID_BYTES).and_then(|bytes| bytes.try_into().ok());
        let Some(bytes) = bytes else { return Ok(None) };
        // The trace has no clock: a request a millisecond is one that only grows.
        let now_ms = self.offset / ID_BYTES as u64;
        self.start += ID_BYTES;
        self.offset += ID_BYTES as u64;
        Ok(Some(Request { now_ms, id: id::of_number(u64::from(u32::from_le_bytes(bytes))), size: 1 }))
    }

    /// Makes at least one whole id available; false: there is none any more.
    fn refill(&mut self) -> Result<bool, Fault> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < ID_BYTES {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) if self.end == 0 => return Ok(false),
                Ok(0) => {
                    let rest = format!("{} bytes after the last whole id", self.end);
                    return Err(Fault::invalid(&rest, "a multiple of 4 bytes, one little-endian id each"));
                }
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
