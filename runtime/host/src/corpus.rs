//! What the self-tests of all kinds share.

use crate::{CallError, HostError, Strategy, instance::Instance};

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

/// What an instance hands to its successors, where its plugin has a state.
pub(crate) struct State(Option<(String, Vec<u8>)>);

impl State {
    pub(crate) fn exported<Exports>(strategy: &Strategy, old: &mut Instance<Exports>) -> Result<Self, HostError> {
        let Some(format) = strategy.plugin().manifest().state_format.clone() else { return Ok(Self(None)) };
        Ok(Self(Some((format, call("export-state", old.export_state())?))))
    }

    pub(crate) fn import<Exports>(&self, instance: &mut Instance<Exports>) -> Result<(), HostError> {
        let Some((format, bytes)) = &self.0 else { return Ok(()) };
        call("import-state", instance.import_state(format, bytes))
    }
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
