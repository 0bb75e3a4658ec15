use std::io::Write as _;

/// The version of the protocol that a client asked for with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

impl Protocol {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// Writes replies to the end of an output.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes in the output.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// `+OK` and the like; the text has no line ends.
    pub(crate) fn simple(&mut self, text: &str) {
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// An error: its code, a space, a text. Line ends in what a client sent become spaces.
    pub(crate) fn error(&mut self, message: &[u8]) {
        self.out.push(b'-');
        let message = message.trim_ascii_end_newlines();
        self.out.extend(message.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
        self.out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.header(b':', value);
    }

    #[inline]
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The beginning of a bulk whose bytes are written elsewhere.
    pub(crate) fn bulk_header(&mut self, length: usize) {
        self.header(b'$', length as i64);
    }

    pub(crate) fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The beginning of an array of `items` replies.
    pub(crate) fn array(&mut self, items: usize) {
        self.header(b'*', items as i64);
    }

    /// The beginning of a map of `pairs` keys and values, an array before version 3.
    pub(crate) fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs as i64),
        }
    }

    /// The beginning of a set, an array before version 3.
    pub(crate) fn set(&mut self, items: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(items),
            Protocol::Resp3 => self.header(b'~', items as i64),
        }
    }

    /// Text for people, a bulk before version 3.
    pub(crate) fn verbatim(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.header(b'=', text.len() as i64 + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, value: i64) {
        self.out.push(kind);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// An error made of parts, with the code that most have.
    pub(crate) fn err(&mut self, message: std::fmt::Arguments<'_>) {
        let mut text = b"ERR ".to_vec();
        // Writing into memory does not fail.
        let _ = text.write_fmt(message);
        self.error(&text);
    }
}

trait TrimNewlines {
    fn trim_ascii_end_newlines(&self) -> &Self;
}

impl TrimNewlines for [u8] {
    fn trim_ascii_end_newlines(&self) -> &Self {
        let end = self.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        self.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, protocol));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_differ_by_version_where_they_should() {
        let all = |writer: &mut Writer<'_>| {
            writer.simple("OK");
            writer.integer(-7);
            writer.bulk(b"a\r\nb");
            writer.null();
            writer.array(2);
            writer.map(1);
            writer.set(3);
            writer.verbatim("hi");
        };
        assert_eq!(
            written(Protocol::Resp2, all),
            "+OK\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*2\r\n*2\r\n*3\r\n$2\r\nhi\r\n"
        );
        assert_eq!(
            written(Protocol::Resp3, all),
            "+OK\r\n:-7\r\n$4\r\na\r\nb\r\n_\r\n*2\r\n%1\r\n~3\r\n=6\r\ntxt:hi\r\n"
        );
    }

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(written(Protocol::Resp2, |writer| writer.error(b"ERR a\r\nb\n")), "-ERR a  b\r\n");
    }
}
