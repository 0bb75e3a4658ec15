//! The admin API as a client sees it: where the server is, with which token, and one method per act.

mod client;
mod connection;
mod follow;

pub(crate) use client::{Client, Put};
pub(crate) use connection::normal;
pub(crate) use follow::{Follow, is_passing};
