//! The only functions that a plugin may call. Natively there is no host: calls are recorded for tests to look at.

#[cfg(target_family = "wasm")]
pub(super) use crate::bindings::lifecycle::switchyard::lifecycle::host::{count, log, set};

#[cfg(not(target_family = "wasm"))]
pub(super) use crate::testing::{count, log, set};
