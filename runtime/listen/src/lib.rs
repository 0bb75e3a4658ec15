//! What all listeners keep to.
//!
//! An [`Account`] bounds what connections hold for their clients together; a [`BoundedListener`] how many connections there are
//! of HTTP, and how long one may be silent; [`is_passing`] tells what of accepting clients is no reason to stop.
//!
//! What this is not: a place for protocols. Start reading at `account.rs`.

mod accept;
mod account;
mod http;

pub use accept::is_passing;
pub use account::{Account, Exhausted, Share};
pub use http::{BoundedListener, Connection};
