//! What all listeners keep to.
//!
//! An [`Account`] bounds what connections hold for their clients together; a [`BoundedListener`] how many connections there are
//! of HTTP, and how long one may be silent; an [`Acceptor`] goes on where accepting a client
//! fails for a reason that passes.
//!
//! What this is not: a place for protocols. Start reading at `account.rs`.

mod accept;
mod account;
mod http;

pub use accept::Acceptor;
pub use account::{Account, Exhausted, Share};
pub use http::{BoundedListener, Connection};
