use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The longest name that is looked for, with its colon.
const NAME_BYTES_MAX: usize = 18;
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";
/// The first line of an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"pri * http/2.0\r";

const SCAN: u8 = 0;
const CLEAN: u8 = 1;
const BOTH: u8 = 2;
const LOST: u8 = 3;
const HTTP2: u8 = 4;

/// Whether a head of HTTP/1 came with both framing headers.
///
/// hyper takes `Transfer-Encoding`, drops `Content-Length` and closes after the answer, as RFC 9112 (section 6.1) allows,
/// but does not say so; such a request is an attempt at smuggling more often than not, and is refused here. What is
/// scanned is what is known to be a head: from the connection's first byte, and on where the body before was all read and
/// its length is known. Where that is not known any more (a chunked body, a pipeline) nothing is claimed and hyper's way
/// holds, which is safe as well.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: AtomicU8,
    /// Bytes that came after the end of the head.
    surplus: AtomicU64,
}

impl Framing {
    pub(crate) fn has_both(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BOTH
    }

    /// Whether this is a connection of HTTP/2, where bytes between requests are not always the beginning of one.
    pub(super) fn is_http2(&self) -> bool {
        self.state.load(Ordering::Relaxed) == HTTP2
    }

    /// A request is over, which had a body of this length; none: nobody knows.
    pub(super) fn over(&self, body_bytes: Option<u64>) {
        let state = self.state.load(Ordering::Relaxed);
        if state == HTTP2 {
            return;
        }
        let aligned = state == CLEAN && body_bytes == Some(self.surplus.load(Ordering::Relaxed));
        self.state.store(if aligned { SCAN } else { LOST }, Ordering::Relaxed);
    }
}

/// The reading half: it sees every byte of the connection.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    line: [u8; NAME_BYTES_MAX],
    line_bytes: usize,
    first: bool,
    length: bool,
    coding: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { first: true, ..Self::default() }
    }

    pub(super) fn read(&mut self, framing: &Framing, bytes: &[u8]) {
        match framing.state.load(Ordering::Relaxed) {
            SCAN => self.scan(framing, bytes),
            CLEAN | BOTH => {
                framing.surplus.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn scan(&mut self, framing: &Framing, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            self.extend(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            let Some(end) = end else { return };
            rest = rest.get(end + 1..).unwrap_or_default();
            if self.is_preface() {
                framing.state.store(HTTP2, Ordering::Relaxed);
                return;
            }
            if self.line_ends() {
                let state = if self.length && self.coding { BOTH } else { CLEAN };
                *self = Self::new();
                framing.surplus.store(rest.len() as u64, Ordering::Relaxed);
                framing.state.store(state, Ordering::Relaxed);
                return;
            }
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        for (place, byte) in self.line.iter_mut().skip(self.line_bytes).zip(bytes) {
            *place = byte.to_ascii_lowercase();
        }
        self.line_bytes = self.line_bytes.saturating_add(bytes.len());
    }

    fn is_preface(&self) -> bool {
        self.first && self.line.get(..self.line_bytes) == Some(PREFACE)
    }

    /// Returns whether this line ended the head. Empty lines before the first one are none.
    fn line_ends(&mut self) -> bool {
        let length = std::mem::take(&mut self.line_bytes);
        let line = self.line.get(..length.min(NAME_BYTES_MAX)).unwrap_or_default();
        if matches!(line, [] | [b'\r']) {
            return !self.first;
        }
        self.first = false;
        self.length |= line.starts_with(LENGTH);
        self.coding |= line.starts_with(CODING);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], both: bool, surplus: u64) {
        let (framing, mut scanner) = (Framing::default(), Scanner::new());
        pieces.iter().for_each(|piece| scanner.read(&framing, piece.as_bytes()));
        assert_eq!(framing.has_both(), both, "{pieces:?}");
        assert_eq!(framing.surplus.load(Ordering::Relaxed), surplus, "{pieces:?}");
    }

    #[test]
    fn both_headers_are_seen_in_a_head_only() {
        check(&["GET / HTTP/1.1\r\nhost: a\r\n\r\n"], false, 0);
        let both = "\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nTRANSFER-ENCODING: chunked\r\n\r\nabc";
        check(&[both], true, 3);
        let others =
            "P / HTTP/1.1\r\nContent-Lengthy: 3\r\nTransfer-Encoding: chunked\r\nTransfer-Encodings: x\r\n\r\n";
        check(&[others], false, 0);
        check(&["P / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encodings: x\r\n\r\n"], false, 0);
        let letters: Vec<String> = both.chars().map(String::from).collect();
        check(&letters.iter().map(String::as_str).collect::<Vec<_>>(), true, 3);
        check(&["P / HTTP/1.1\ntransfer-encoding: chunked\ncontent-length: 3\n\n"], true, 0);
        let body = "P / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n20\r\ncontent-length: 1\r\n";
        check(&[body, "\r\n"], false, 25);
    }

    #[test]
    fn http2_is_known_by_its_first_line() {
        for (bytes, expected) in
            [("PRI * HTTP/2.0\r\n", true), ("PRI * HTTP/2.0", false), ("GET / HTTP/1.1\r\n", false)]
        {
            let (framing, mut scanner) = (Framing::default(), Scanner::new());
            scanner.read(&framing, bytes.as_bytes());
            assert_eq!(framing.is_http2(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_head_is_awaited_only_where_it_must_come() {
        let (framing, mut scanner) = (Framing::default(), Scanner::new());
        let both = b"P / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n";
        scanner.read(&framing, b"P / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab");
        scanner.read(&framing, b"c");
        framing.over(Some(3));
        scanner.read(&framing, both);
        assert!(framing.has_both());
        let framing = Framing::default();
        scanner.read(&framing, b"P / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcP / HTT");
        framing.over(Some(3));
        scanner.read(&framing, both);
        assert!(!framing.has_both(), "where a head begins is not known after a pipeline");
    }
}
