use std::{fmt, io, path::PathBuf};

/// Characters of a wrong value that an error repeats.
const VALUE_CHARS_MAX: usize = 60;

/// Where in a trace something is wrong. For a compressed file this counts what it unpacks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// A line, from 1.
    Line(u64),
    /// A byte, from 0.
    Byte(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Byte(byte) => write!(f, "byte {byte}"),
        }
    }
}

/// Why a trace cannot be read to its end. What was read before is not a result.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened.
    #[error("{}: the trace cannot be opened", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The name does not say how to read it.
    #[error(
        "{}: the name does not say what the trace holds: expected *.u32le, *.csv, or *.txt, *.trace, *.trc or no \
         extension for one id a line, each also with .zst or .gz", path.display()
    )]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
    },
    /// The disk failed, or the compressed data is damaged.
    #[error("{}, {position}: the trace cannot be read further", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// How far it could be read.
        position: Position,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The compressed data stops before its end.
    #[error(
        "{}, {position}: the compressed data ends early: the file is not whole, copy it again", path.display()
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// How far it could be read.
        position: Position,
    },
    /// A value is not what stands there in this format.
    #[error("{}, {position}: {value:?}: expected {expected}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where.
        position: Position,
        /// What stands there.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Not one request in it.
    #[error("{}: the trace holds no request", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// What a format's reader says; the trace adds which file it was.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    Invalid { value: String, expected: &'static str },
}

impl Fault {
    pub(crate) fn invalid(value: &str, expected: &'static str) -> Self {
        Self::Invalid { value: value.chars().take(VALUE_CHARS_MAX).collect(), expected }
    }

    pub(crate) fn at(self, path: PathBuf, position: Position) -> TraceError {
        match self {
            Self::Invalid { value, expected } => TraceError::Invalid { path, position, value, expected },
            Self::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                TraceError::Truncated { path, position }
            }
            Self::Io(source) => TraceError::Read { path, position, source },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}
