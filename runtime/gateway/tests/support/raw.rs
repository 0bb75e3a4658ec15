//! A client that writes bytes and reads answers as they come.

use std::{collections::HashMap, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::within;

pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: within(TcpStream::connect(address)).await.unwrap(), read: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends as much as is taken.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within(self.stream.write_all(bytes)).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.call(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    pub async fn call(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    async fn more(&mut self) -> usize {
        let got = within(self.stream.read_buf(&mut self.read)).await;
        match got {
            Ok(got) => got,
            // A peer that closes with unread input resets the connection.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("the connection broke: {error}"),
        }
    }

    async fn until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(end) = end(&self.read) {
                let rest = self.read.split_off(end);
                return std::mem::replace(&mut self.read, rest);
            }
            let got = self.more().await;
            assert!(got > 0, "the connection was closed after {:?}", self.read.escape_ascii().to_string());
        }
    }

    async fn line(&mut self) -> String {
        let find = |bytes: &[u8]| bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2);
        String::from_utf8(self.until(find).await).unwrap().trim_end().to_owned()
    }

    async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.until(|bytes| (bytes.len() >= count).then_some(count)).await
    }

    pub async fn head(&mut self) -> Answer {
        let line = self.line().await;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{line:?} begins no answer"));
        let mut headers = HashMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else {
                return Answer { status, headers, body: Vec::new() };
            };
            let value = headers.remove(name).map_or(value.to_owned(), |first: String| first + ", " + value);
            headers.insert(name.to_ascii_lowercase(), value);
        }
    }

    /// An answer with its body, by whichever framing it has.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if let Some(length) = answer.headers.get("content-length") {
            answer.body = self.exactly(length.parse().unwrap()).await;
        } else if answer.header("transfer-encoding") == "chunked" {
            loop {
                let size = usize::from_str_radix(&self.line().await, 16).unwrap();
                if size == 0 {
                    break;
                }
                answer.body.extend(self.exactly(size).await);
                assert_eq!(self.exactly(2).await, b"\r\n");
            }
            loop {
                let line = self.line().await;
                let Some((name, value)) = line.split_once(": ") else { break };
                answer.headers.insert(format!("trailer {name}"), value.to_owned());
            }
        }
        answer
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await > 0 {}
        std::mem::take(&mut self.read)
    }

    /// What comes next, of whatever length.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.read.is_empty() {
            self.more().await;
        }
        std::mem::take(&mut self.read)
    }
}
