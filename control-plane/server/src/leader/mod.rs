//! Several servers, of which one leads. All of them take requests: what is declared is guarded by its seal, whoever writes.
//! The leader alone does what must be done once: `duties` says what. Each of its writes carries the term of office, so a leader
//! that was paused and does not know that its time is over changes nothing.

mod duties;
mod lost;
mod membership;

pub(crate) use membership::Membership;
