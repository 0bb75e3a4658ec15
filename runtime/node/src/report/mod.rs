//! What the node says of itself. Of the present, through the store: `status` gathers it, `policy` says when it is worth a
//! write, `reporter` writes it. Of the past, to a server: `observer` notices, with the pure `windows` and `events`; `spool` (pure)
//! and `outbox` keep what is not told yet, `sender` tells it.

mod events;
mod observer;
mod outbox;
mod policy;
mod reporter;
mod reporting;
mod sender;
mod spool;
mod status;
mod windows;

pub(crate) use outbox::Outbox;
pub(crate) use reporter::Reporter;
pub(crate) use reporting::Reporting;
pub(crate) use sender::Sender;
pub(crate) use status::StatusSource;
