use std::fmt;

/// Bytes of an error that a client gets.
const ERROR_BYTES_MAX: usize = 500;

/// `+OK`.
pub(super) fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// An error: one line, whatever the text has in it.
pub(super) fn error(out: &mut Vec<u8>, message: impl fmt::Display) {
    let mut text = message.to_string();
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    let line = text.replace(|character: char| character.is_control(), " ");
    out.extend_from_slice(b"-ERR ");
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A bulk string, or its absence.
pub(super) fn bulk(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.extend_from_slice(b"$-1\r\n"),
        Some(bytes) => {
            out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }
}
