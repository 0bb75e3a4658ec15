//! The protocol of Redis, both ways: requests are parsed where they lie in the input, replies are written in version 2 or
//! 3. It knows no command.

mod inline;
mod number;
mod parser;
mod writer;

pub(crate) use number::parse_integer;
pub(crate) use parser::{Arguments, Limits, Parser};
pub(crate) use writer::{Protocol, Writer};
