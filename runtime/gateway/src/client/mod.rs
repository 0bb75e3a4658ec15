//! The side where clients are.

mod connection;
mod framing;
mod peer;
mod stream;

pub(crate) use connection::converse;
pub(crate) use peer::{Busy, Peer};
