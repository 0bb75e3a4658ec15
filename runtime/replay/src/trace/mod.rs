//! Trace files, read as a stream: a trace of any length takes the same memory.

mod binary;
mod csv;
mod error;
mod format;
mod lines;
mod text;

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

pub use self::error::{Position, TraceError};
use self::{
    binary::BinaryReader,
    csv::CsvReader,
    format::{Layout, Packing},
    text::TextReader,
};
pub(crate) use self::{error::Fault, lines::Lines};

/// One request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds of the trace's clock; a trace without one counts a millisecond a request.
    pub now_ms: u64,
    /// Hash of the object's id: see [`crate::id`].
    pub id: u64,
    /// In bytes; 1 where the trace knows no sizes.
    pub size: u32,
}

/// Gives the requests of a trace in order. After an error, and after the end, it gives nothing more.
pub struct TraceReader {
    path: PathBuf,
    source: Source,
    requests: u64,
    done: bool,
}

enum Source {
    Binary(BinaryReader),
    Csv(CsvReader),
    Text(TextReader),
}

impl TraceReader {
    /// Opens a trace; the file's name says how it is read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TraceError> {
        let path = path.into();
        let Some((layout, packing)) = format::of(&path) else { return Err(TraceError::UnknownFormat { path }) };
        let source = match unpacked(&path, packing) {
            Ok(reader) => match layout {
                Layout::U32Le => Source::Binary(BinaryReader::new(reader)),
                Layout::Csv => Source::Csv(CsvReader::new(Lines::new(Box::new(BufReader::new(reader))))),
                Layout::Text => Source::Text(TextReader::new(Lines::new(Box::new(BufReader::new(reader))))),
            },
            Err(source) => return Err(TraceError::Open { path, source }),
        };
        Ok(Self { path, source, requests: 0, done: false })
    }

    /// Whether the trace says how large its objects are.
    pub fn has_sizes(&self) -> bool {
        matches!(self.source, Source::Csv(_))
    }

    fn read(&mut self) -> Result<Option<Request>, TraceError> {
        let next = match &mut self.source {
            Source::Binary(reader) => reader.next(),
            Source::Csv(reader) => reader.next(),
            Source::Text(reader) => reader.next(),
        };
        match next {
            Ok(None) if self.requests == 0 => Err(TraceError::Empty { path: self.path.clone() }),
            Ok(next) => Ok(next),
            Err(fault) => Err(self.fail(fault)),
        }
    }

    fn fail(&self, fault: Fault) -> TraceError {
        let position = match &self.source {
            Source::Binary(reader) => Position::Byte(reader.offset()),
            Source::Csv(reader) => Position::Line(reader.line()),
            Source::Text(reader) => Position::Line(reader.line()),
        };
        fault.at(self.path.clone(), position)
    }
}

impl Iterator for TraceReader {
    type Item = Result<Request, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read();
        self.done = !matches!(next, Ok(Some(_)));
        self.requests += 1;
        next.transpose()
    }
}

/// A file that may be packed, as its name says.
pub(crate) fn open_packed(path: &Path) -> Result<Box<dyn Read + Send>, TraceError> {
    unpacked(path, format::packing(path)).map_err(|source| TraceError::Open { path: path.into(), source })
}

fn unpacked(path: &Path, packing: Packing) -> std::io::Result<Box<dyn Read + Send>> {
    let file = BufReader::new(File::open(path)?);
    let reader: Box<dyn Read + Send> = match packing {
        Packing::Plain => Box::new(file),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
    };
    Ok(reader)
}
