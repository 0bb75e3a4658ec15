//! Lines for the node's log, under the strategy's name. The host drops and counts what is over its rate and length
//! limits: log what an operator should read, not what happens at every call.

use super::{Level, host};

/// For the author alone.
pub fn debug(message: &str) {
    host::log(Level::Debug, message);
}

/// Worth knowing.
pub fn info(message: &str) {
    host::log(Level::Info, message);
}

/// Something is not as it should be, and the strategy goes on.
pub fn warn(message: &str) {
    host::log(Level::Warn, message);
}

/// Something failed.
pub fn error(message: &str) {
    host::log(Level::Error, message);
}
