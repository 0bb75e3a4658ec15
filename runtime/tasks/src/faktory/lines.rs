use bytes::{Bytes, BytesMut};

/// What is passed over of a line that is too long before its sender is cut off, in bytes. Up to here the end of the line is
/// looked for, so that a client with one large job gets its error and goes on.
const SKIPPED_BYTES_MAX: usize = 512 << 20;

/// The lines of a connection.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) input: BytesMut,
    pub(super) line_bytes_max: usize,
    /// What has no end of a line in it.
    scanned: usize,
    /// Bytes passed over of a line that is too long.
    skipped: usize,
}

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Bytes),
    /// The end of a line that was longer than lines may be.
    TooLong,
    /// A line that has no end.
    Endless,
}

impl Lines {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { input: BytesMut::new(), line_bytes_max, scanned: 0, skipped: 0 }
    }

    /// Whether a line has begun.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.input.is_empty() || self.skipped > 0
    }

    /// The next line; none: more input is needed.
    pub(super) fn next(&mut self) -> Option<Line> {
        let fresh = self.input.get(self.scanned..).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n').map(|at| at + self.scanned) else {
            self.scanned = self.input.len();
            return self.skip();
        };
        let line = self.input.split_to(end + 1).freeze();
        self.scanned = 0;
        if std::mem::take(&mut self.skipped) > 0 || line.len() > self.line_bytes_max {
            return Some(Line::TooLong);
        }
        let line = line.slice(..end);
        let without_return = line.strip_suffix(b"\r").map_or(end, <[u8]>::len);
        Some(Line::Whole(line.slice(..without_return)))
    }

    /// Forgets what is too long already: a line may not take memory only because it does not end.
    fn skip(&mut self) -> Option<Line> {
        if self.skipped > 0 || self.input.len() > self.line_bytes_max {
            self.skipped += self.input.len();
            self.input.clear();
            self.scanned = 0;
        }
        (self.skipped > SKIPPED_BYTES_MAX).then_some(Line::Endless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: &[Line]) {
        let mut lines = Lines::new(10);
        let mut found = Vec::new();
        for piece in pieces {
            lines.input.extend_from_slice(piece.as_bytes());
            found.extend(std::iter::from_fn(|| lines.next()));
            assert!(lines.input.len() <= 10);
        }
        assert_eq!(found, expected, "{pieces:?}");
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let whole = |text: &'static str| Line::Whole(Bytes::from_static(text.as_bytes()));
        check(&["END\r\nINFO\n\r\n"], &[whole("END"), whole("INFO"), whole("")]);
        check(&["E", "N", "D\r", "\n", "IN", "FO\nX"], &[whole("END"), whole("INFO")]);
        check(&["12345678\r\n"], &[whole("12345678")]);
        check(&["123456789\r\nEND\n"], &[Line::TooLong, whole("END")]);
        check(&["12345", "67890", "12345", "67890", "\nEND\n"], &[Line::TooLong, whole("END")]);
        check(&["\n\n"], &[whole(""), whole("")]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory_and_is_given_up() {
        let mut lines = Lines::new(1 << 20);
        let piece = vec![b'x'; 4 << 20];
        let mut taken = 0;
        let end = loop {
            lines.input.extend_from_slice(&piece);
            taken += piece.len();
            if let Some(end) = lines.next() {
                break end;
            }
            assert!(lines.input.is_empty());
        };
        assert_eq!(end, Line::Endless);
        assert!(taken <= SKIPPED_BYTES_MAX + piece.len());
    }
}
