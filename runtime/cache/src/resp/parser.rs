use super::{inline, parse_integer};

/// Longest line, in bytes: an inline request or a length. Redis's `PROTO_INLINE_MAX_SIZE`.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Arguments of one request: what Redis took before 7.0, which takes any number that fits into memory.
const ARGUMENTS_MAX: i64 = 1 << 20;
/// Room for arguments that a parser keeps between requests.
const ARGUMENTS_KEPT: usize = 64;

/// Bounds that the configuration sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Of one argument, in bytes.
    pub(crate) bulk_bytes_max: usize,
}

/// What ends a connection: the stream cannot be read any further. The texts are Redis's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    MultibulkLength,
    BulkLength,
    ExpectedBulk(u8),
    CountTooLong,
    LengthTooLong,
    InlineTooLong,
    UnbalancedQuotes,
}

impl ProtocolError {
    /// The reply. It is bytes: a client may have sent any.
    pub(crate) fn message(&self) -> Vec<u8> {
        let text = match self {
            Self::MultibulkLength => "invalid multibulk length",
            Self::BulkLength => "invalid bulk length",
            Self::ExpectedBulk(got) => return [b"ERR Protocol error: expected '$', got '", &[*got][..], b"'"].concat(),
            Self::CountTooLong => "too big mbulk count string",
            Self::LengthTooLong => "too big bulk count string",
            Self::InlineTooLong => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        };
        format!("ERR Protocol error: {text}").into_bytes()
    }
}

/// The words of a request: the command's name first. One that is not there is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a> {
    bytes: &'a [u8],
    ranges: &'a [(usize, usize)],
}

impl<'a> Arguments<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &'a [u8] {
        self.find(at).unwrap_or_default()
    }

    pub(crate) fn find(&self, at: usize) -> Option<&'a [u8]> {
        let (start, end) = *self.ranges.get(at)?;
        self.bytes.get(start..end)
    }

    /// The words from this one on.
    pub(crate) fn from(&self, first: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        let ranges = self.ranges.get(first..).unwrap_or_default();
        ranges.iter().map(move |(start, end)| bytes.get(*start..*end).unwrap_or_default())
    }
}

/// Reads requests out of a growing input without copying them. Between calls the caller appends to the input, and may cut
/// off its front when it says so with [`Parser::forget`].
#[derive(Debug)]
pub(crate) struct Parser {
    limits: Limits,
    /// Where the request that is being read began.
    start: usize,
    /// How far it has been read.
    position: usize,
    /// Arguments that are still to come.
    missing: i64,
    /// Length of the argument that is coming.
    bulk: Option<usize>,
    ranges: Vec<(usize, usize)>,
    /// Words of an inline request, without their quotes; empty for others.
    inline: Vec<u8>,
    is_inline: bool,
}

impl Parser {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            start: 0,
            position: 0,
            missing: 0,
            bulk: None,
            ranges: Vec::new(),
            inline: Vec::new(),
            is_inline: false,
        }
    }

    /// Reads on until a request is complete, which [`Parser::arguments`] then has. False: more input is needed.
    #[inline]
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        loop {
            if self.missing > 0 {
                return self.read_arguments(input);
            }
            self.begin();
            match input.get(self.position) {
                None => return Ok(false),
                Some(b'*') => {
                    if !self.read_count(input)? {
                        return Ok(false);
                    }
                }
                Some(_) => {
                    if !self.read_inline(input)? {
                        return Ok(false);
                    }
                    if !self.ranges.is_empty() {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// The request that was read last.
    pub(crate) fn arguments<'a>(&'a self, input: &'a [u8]) -> Arguments<'a> {
        Arguments { bytes: if self.is_inline { &self.inline } else { input }, ranges: &self.ranges }
    }

    /// Bytes at the front of the input that no request needs any more. The caller cuts them off.
    pub(crate) fn forget(&mut self) -> usize {
        if self.missing == 0 {
            self.start = self.position;
        }
        let done = std::mem::take(&mut self.start);
        self.position -= done;
        for (start, end) in self.ranges.iter_mut().filter(|_| self.missing > 0) {
            *start -= done;
            *end -= done;
        }
        done
    }

    /// How many bytes are missing before the argument that is coming is complete; 0 where its length is not known.
    pub(crate) fn awaits(&self, input: &[u8]) -> usize {
        self.bulk.map_or(0, |length| (self.position + length + 2).saturating_sub(input.len()))
    }

    fn begin(&mut self) {
        self.start = self.position;
        self.is_inline = false;
        self.ranges.clear();
        self.inline.clear();
        if self.ranges.capacity() > ARGUMENTS_KEPT {
            self.ranges.shrink_to(ARGUMENTS_KEPT);
        }
        if self.inline.capacity() > 0 {
            self.inline = Vec::new();
        }
    }

    /// `*3`: how many arguments follow. A request of none is no request.
    fn read_count(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        let Some(digits) = self.line(input, ProtocolError::CountTooLong)? else { return Ok(false) };
        let count = parse_integer(digits).filter(|count| *count <= ARGUMENTS_MAX);
        self.missing = count.ok_or(ProtocolError::MultibulkLength)?.max(0);
        Ok(true)
    }

    fn read_arguments(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        while self.missing > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => match self.read_length(input)? {
                    Some(length) => length,
                    None => return Ok(false),
                },
            };
            let end = self.position + length;
            // As in Redis, the two bytes that close an argument can be anything.
            if input.len() < end + 2 {
                return Ok(false);
            }
            self.ranges.push((self.position, end));
            self.position = end + 2;
            self.bulk = None;
            self.missing -= 1;
        }
        Ok(true)
    }

    /// `$5`: how long the next argument is.
    fn read_length(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let first = input.get(self.position).copied();
        let Some(digits) = self.line(input, ProtocolError::LengthTooLong)? else { return Ok(None) };
        if let Some(got) = first.filter(|byte| *byte != b'$') {
            return Err(ProtocolError::ExpectedBulk(got));
        }
        let length = parse_integer(digits).and_then(|length| usize::try_from(length).ok());
        self.bulk =
            Some(length.filter(|length| *length <= self.limits.bulk_bytes_max).ok_or(ProtocolError::BulkLength)?);
        Ok(self.bulk)
    }

    /// The line at the position without its first byte and its end; the position moves behind it.
    fn line<'a>(&mut self, input: &'a [u8], too_long: ProtocolError) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = input.get(self.position..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\r') else {
            return if rest.len() > LINE_BYTES_MAX { Err(too_long) } else { Ok(None) };
        };
        if rest.len() < end + 2 {
            return Ok(None);
        }
        self.position += end + 2;
        Ok(Some(rest.get(1..end).unwrap_or_default()))
    }

    fn read_inline(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        let rest = input.get(self.position..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if rest.len() > LINE_BYTES_MAX { Err(ProtocolError::InlineTooLong) } else { Ok(false) };
        };
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.is_inline = true;
        self.position += end + 1;
        inline::split(line, &mut self.inline, &mut self.ranges).ok_or(ProtocolError::UnbalancedQuotes)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
