use super::{Request, error::Fault, lines::Lines};
use crate::id;

const HEADER: &str = "time,obj_id,size";

const MS_PER_S: f64 = 1000.0;

/// Reads lines `time,obj_id,size`: seconds, any id, bytes. Fields are split at commas; quoting is not read, and a quote
/// is an error rather than part of an id.
pub(super) struct CsvReader {
    lines: Lines,
    headed: bool,
    now_ms: u64,
}

impl CsvReader {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, headed: false, now_ms: 0 }
    }

    pub(super) fn line(&self) -> u64 {
        self.lines.number()
    }

    pub(super) fn next(&mut self) -> Result<Option<Request>, Fault> {
        if !self.headed {
            self.header()?;
        }
        while let Some(line) = self.lines.next()? {
            if line.is_empty() {
                continue;
            }
            let mut request = record(line)?;
            // The cache's clock only grows; a request that was logged late is one of now.
            self.now_ms = self.now_ms.max(request.now_ms);
            request.now_ms = self.now_ms;
            return Ok(Some(request));
        }
        Ok(None)
    }

    fn header(&mut self) -> Result<(), Fault> {
        let line = self.lines.next()?.unwrap_or_default();
        if line != HEADER {
            return Err(Fault::invalid(line, "the header time,obj_id,size"));
        }
        self.headed = true;
        Ok(())
    }
}

fn record(line: &str) -> Result<Request, Fault> {
    let mut fields = line.split(',').map(str::trim);
    let (Some(time), Some(object), Some(size), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Fault::invalid(line, "three fields: time,obj_id,size"));
    };
    if object.is_empty() || object.contains('"') {
        return Err(Fault::invalid(object, "an obj_id without quotes"));
    }
    let size = match size.parse::<u32>() {
        Ok(size) if size > 0 => size,
        _ => return Err(Fault::invalid(size, "a size from 1 to 4294967295 bytes")),
    };
    Ok(Request { now_ms: milliseconds(time)?, id: id::of_text(object), size })
}

fn milliseconds(time: &str) -> Result<u64, Fault> {
    match time.parse::<f64>() {
        Ok(seconds) if seconds >= 0.0 && seconds.is_finite() => Ok((seconds * MS_PER_S) as u64),
        _ => Err(Fault::invalid(time, "a time in seconds, 0 or more")),
    }
}
