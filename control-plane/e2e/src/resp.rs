//! A small RESP client: one command, one reply. It is written for the load that the demo makes; a general client costs
//! more of the two processors than the server that is measured.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// A cache that does not answer for so long is a failure.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Largest reply that is read: no value here comes near.
const BULK_BYTES_MAX: usize = 1 << 20;
/// Largest header line of a reply.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A reply of RESP2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Status(String),
    /// `-ERR …`.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// A value; none: there is none.
    Bulk(Option<Vec<u8>>),
}

/// One connection.
#[derive(Debug)]
pub struct RespClient {
    reader: BufReader<TcpStream>,
    command: Vec<u8>,
}

impl RespClient {
    /// Connects.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { reader: BufReader::new(stream), command: Vec::new() })
    }

    /// Sends a command and waits for its reply.
    pub fn call(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        self.command.clear();
        write!(self.command, "*{}\r\n", words.len())?;
        for word in words {
            write!(self.command, "${}\r\n", word.len())?;
            self.command.extend_from_slice(word);
            self.command.extend_from_slice(b"\r\n");
        }
        self.reader.get_mut().write_all(&self.command)?;
        self.reply()
    }

    /// Sends bytes as they are and reads what comes until the server closes the connection.
    pub fn raw(mut self, bytes: &[u8]) -> io::Result<String> {
        self.reader.get_mut().write_all(bytes)?;
        let mut answer = String::new();
        self.reader.take(LINE_BYTES_MAX).read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The value of a field of `INFO`.
    pub fn info(&mut self, field: &str) -> io::Result<Option<String>> {
        let Reply::Bulk(Some(text)) = self.call(&[b"INFO"])? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text);
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.map(str::to_owned))
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        (&mut self.reader).take(LINE_BYTES_MAX).read_line(&mut line)?;
        let wrong = |line: &str| io::Error::new(ErrorKind::InvalidData, format!("not a reply: {line:?}"));
        let text = line.strip_suffix("\r\n").ok_or_else(|| match line.is_empty() {
            true => ErrorKind::ConnectionReset.into(),
            false => wrong(&line),
        })?;
        let (kind, rest) = text.split_at_checked(1).ok_or_else(|| wrong(text))?;
        let number = || rest.parse::<i64>().map_err(|_| wrong(text));
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => Ok(Reply::Integer(number()?)),
            "$" => self.bulk(number()?),
            _ => Err(wrong(text)),
        }
    }

    fn bulk(&mut self, length: i64) -> io::Result<Reply> {
        let Ok(length) = usize::try_from(length) else { return Ok(Reply::Bulk(None)) };
        if length > BULK_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("a value of {length} bytes")));
        }
        let mut value = vec![0; length + 2];
        self.reader.read_exact(&mut value)?;
        value.truncate(length);
        Ok(Reply::Bulk(Some(value)))
    }
}
