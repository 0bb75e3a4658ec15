//! A routing strategy that traps when it is asked to, for what a trap costs.
//!
//! What this is not: hostile. It passes the host's self-test, because that never asks with [`TRAP_PATH_ID`]. Start reading
//! at [`Trapping`].

use switchyard_sdk::{
    export_routing,
    lifecycle::NoConfiguration,
    routing::{Backend, Candidate, Choice, Request, Routing},
};

/// The path that ends in a trap; `src/ours.rs` has it too.
const TRAP_PATH_ID: u64 = 0x7472_6170;

/// The candidates as they come.
struct Trapping;

impl Routing for Trapping {
    type Configuration = NoConfiguration;

    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self)
    }

    fn backends(&mut self, _now_ms: u64, _backends: &[Backend]) {}

    #[allow(clippy::panic, reason = "what it is for")]
    fn pick(&mut self, _now_ms: u64, request: &Request, candidates: &[Candidate]) -> Choice {
        if request.path_id == TRAP_PATH_ID {
            panic!("as asked");
        }
        Choice::order(candidates.iter().map(|candidate| candidate.backend))
    }
}

export_routing!(Trapping);
