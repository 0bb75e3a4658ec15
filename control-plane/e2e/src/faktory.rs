//! A small client of the Faktory work protocol: one line, one answer.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use serde_json::Value;

/// A node that does not answer for so long is a failure; `FETCH` itself waits two seconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const BULK_BYTES_MAX: usize = 1 << 20;

/// One connection that has said hello.
#[derive(Debug)]
pub struct FaktoryClient(BufReader<TcpStream>);

impl FaktoryClient {
    /// Connects as a producer, or as the worker of this name.
    pub fn connect(address: impl ToSocketAddrs, worker: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        let mut client = Self(BufReader::new(stream));
        client.answer()?;
        let worker = worker.map(|wid| format!(r#","wid":"{wid}","pid":1,"hostname":"e2e","labels":[]"#));
        match client.say(&format!(r#"HELLO {{"v":2{}}}"#, worker.unwrap_or_default()))?.as_deref() {
            Some("+OK") => Ok(client),
            said => Err(io::Error::new(ErrorKind::InvalidData, format!("not welcome: {said:?}"))),
        }
    }

    /// Sends a line. A bulk string comes without its length; none: there is nothing.
    pub fn say(&mut self, line: &str) -> io::Result<Option<String>> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.answer()
    }

    /// The next job of a queue; none: there was none for two seconds.
    pub fn fetch(&mut self, queue: &str) -> io::Result<Option<Value>> {
        let job = self.say(&format!("FETCH {queue}"))?;
        Ok(job.map(|job| serde_json::from_str(&job)).transpose()?)
    }

    fn answer(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        match line.strip_prefix('$') {
            None => Ok(Some(line.to_owned())),
            Some("-1") => Ok(None),
            Some(length) => self.bulk(length).map(Some),
        }
    }

    fn bulk(&mut self, length: &str) -> io::Result<String> {
        let wrong = |what: String| io::Error::new(ErrorKind::InvalidData, what);
        let length: usize = length.parse().map_err(|_| wrong(format!("the length of an answer is {length:?}")))?;
        if length > BULK_BYTES_MAX {
            return Err(wrong(format!("an answer of {length} bytes")));
        }
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|_| wrong("an answer that is no text".to_owned()))
    }
}
