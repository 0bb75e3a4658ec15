//! The admin API as a client sees it: where the server is, with which token, and one method per act.

mod client;
mod connection;
mod tasks;

pub(crate) use client::Client;
pub(crate) use connection::{Connection, Source};
