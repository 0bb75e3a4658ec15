//! What the self-tests of all kinds share.

use crate::{CallError, HostError};

/// A hook of the corpus, with its name where it fails.
pub(crate) fn call<R>(hook: &'static str, result: Result<R, CallError>) -> Result<R, HostError> {
    result.map_err(|source| HostError::SelfTestCall { hook, source })
}

/// Two instances that were called alike have decided differently.
pub(crate) fn nondeterministic() -> HostError {
    HostError::SelfTest(
        "two instances that were called alike decided differently: a decision may depend on configuration, seed, state \
         and inputs only"
            .into(),
    )
}

/// Xorshift (Marsaglia, 2003): the same numbers everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
