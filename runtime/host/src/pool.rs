use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::{
    HostError, contract,
    engine::{self, Class},
    guest_state::GuestState,
};

/// Where instances of one class come from.
pub(crate) struct Pool {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<GuestState>,
    pub(crate) places: Arc<Places>,
}

/// How many instances of one class there are, and may be. It stands in front of the pool, whose own error says less.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicU64,
    pub(crate) instances_max: u32,
    pub(crate) class: Class,
}

impl Pool {
    pub(crate) fn new(class: Class, instances_max: u32) -> Result<Self, HostError> {
        let engine = engine::running(class, instances_max)?;
        let linker = contract::linker(&engine)?;
        Ok(Self { engine, linker, places: Arc::new(Places { taken: AtomicU64::new(0), instances_max, class }) })
    }

    /// # Safety of the inner call
    ///
    /// The bytes come from our own compiler: directly, through a component that was loaded from there, or from the cache,
    /// which has checked a MAC made with a key that only this host's folder holds, over this very buffer.
    #[allow(unsafe_code, reason = "the one door for machine code; see the safety section")]
    pub(crate) fn deserialize(&self, compiled: &[u8]) -> Result<Component, HostError> {
        unsafe { Component::deserialize(&self.engine, compiled) }
            .map_err(|error| HostError::Machine(format!("the compiled form cannot be loaded: {error:#}")))
    }
}

impl Places {
    /// Takes a place; false: all of them are taken.
    pub(crate) fn take(&self) -> bool {
        let limit = u64::from(self.instances_max);
        self.taken.fetch_update(Relaxed, Relaxed, |taken| (taken < limit).then_some(taken + 1)).is_ok()
    }

    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Relaxed);
    }

    pub(crate) fn exhausted(&self) -> HostError {
        HostError::Exhausted { instances_max: self.instances_max, memory_mib_max: self.class.memory_bytes_max() >> 20 }
    }
}
