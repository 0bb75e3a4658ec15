use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::resp::{Reply, RespClient};

/// Bytes of every value.
const VALUE_BYTES: usize = 64;

/// One connection of the load, with what it needs to ask.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    client: Option<RespClient>,
    key: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let client = RespClient::connect(address).with_context(|| format!("{address} does not answer"))?;
        Ok(Self { address, client: Some(client), key: Vec::new() })
    }

    /// One request of the workload. `measure` gets the time that each command took.
    pub(super) fn request(&mut self, id: u64, measure: &mut impl FnMut(Duration)) -> Result<Outcome> {
        self.key.clear();
        write!(self.key, "demo:1:{id:016x}")?;
        let value = value(id);
        let key = std::mem::take(&mut self.key);
        let outcome = self.ask(&key, &value, measure);
        self.key = key;
        outcome
    }

    fn ask(&mut self, key: &[u8], value: &[u8], measure: &mut impl FnMut(Duration)) -> Result<Outcome> {
        match self.call(&[b"GET", key], measure)? {
            Reply::Bulk(Some(found)) if found == value => Ok(Outcome::Hit),
            Reply::Bulk(None) => match self.call(&[b"SET", key, value], measure)? {
                Reply::Status(status) if status == "OK" => Ok(Outcome::Miss),
                reply => bail!("SET {}: {reply:?}", String::from_utf8_lossy(key)),
            },
            reply => bail!("GET {}: {reply:?}", String::from_utf8_lossy(key)),
        }
    }

    /// A connection that failed is opened again at the next request.
    fn call(&mut self, words: &[&[u8]], measure: &mut impl FnMut(Duration)) -> Result<Reply> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => RespClient::connect(self.address).with_context(|| format!("{} does not answer", self.address))?,
        };
        let begun = Instant::now();
        let reply = client.call(words)?;
        measure(begun.elapsed());
        self.client = Some(client);
        Ok(reply)
    }
}

/// What is stored under an id: nobody else's value is the same.
fn value(id: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    value.iter_mut().zip(id.to_le_bytes().into_iter().cycle()).for_each(|(to, from)| *to = from);
    value
}
