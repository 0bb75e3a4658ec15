//! What the node says of itself: `status` gathers it, `policy` says when it is worth a write, `reporter` writes it.

mod policy;
mod reporter;
mod status;

pub(crate) use reporter::Reporter;
pub(crate) use status::StatusSource;
