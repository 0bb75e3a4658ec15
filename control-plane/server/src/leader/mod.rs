//! Several servers, of which one leads. All of them take requests: what is declared is guarded by its seal, whoever writes.
//! The leader alone does what must be done once: `duties` says what. Each document that it writes
//! carries the term of office, so a leader that was paused and does not know that its time is over changes none. Forgetting history
//! does not carry it: two that do so forget the same, what is older than any follower needs.

mod duties;
mod lost;
mod membership;

pub(crate) use membership::Membership;
