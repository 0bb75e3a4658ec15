//! The Faktory work protocol, version 2: lines in, RESP out, one command at a time.
//!
//! As Faktory itself answers it (`docs/protocol-specification.md` and `server/commands.go` of its repository), for `HELLO`,
//! `PUSH`, `PUSHB`, `FETCH`, `ACK`, `FAIL`, `BEAT`, `INFO`, `FLUSH`, `QUEUE PAUSE`, `QUEUE RESUME`, `QUEUE REMOVE` and `END`.
//! Where this differs: an acknowledgement counts only for the worker that holds the job; what a worker holds is given to others
//! when it has been silent for a minute; and everything has a bound.

mod bulk;
mod command;
mod connection;
mod hello;
mod info;
mod lines;
mod reply;

pub(crate) use connection::Connection;
