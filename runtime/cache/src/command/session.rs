use crate::resp::Protocol;

/// What a connection has been told about its client.
#[derive(Debug)]
pub(crate) struct Session {
    /// Unique since the start.
    pub(crate) id: u64,
    pub(crate) protocol: Protocol,
    /// As the client calls itself; empty: not at all.
    pub(crate) name: Vec<u8>,
}

impl Session {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, protocol: Protocol::Resp2, name: Vec::new() }
    }
}
