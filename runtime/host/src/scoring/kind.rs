use switchyard_types::Interests;
use wasmtime::{Store, component};

use super::{Resident, ScoreTable, calls::ScoringCalls};
use crate::{
    CallError, HostError, Strategy,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind},
};

/// Scoring, as the machinery of all kinds sees it.
pub(crate) struct Scoring;

/// The place of the hook in `ASKED`.
pub(super) const SCORE: usize = 0;

impl Kind for Scoring {
    type Calls = ScoringCalls;
    type Table = dyn ScoreTable;
    /// Nothing happens between two scores that an instance would have to hear of.
    type Event = ();
    type Resident = Resident;

    const ASKED: &'static [Hook] = &[Hook::batched("score")];

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<ScoringCalls> {
        ScoringCalls::bind(store, instance)
    }

    fn wants(interests: &Interests) -> u64 {
        u64::from(interests.batch)
    }

    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
        super::corpus::self_test(strategy, seed)
    }

    fn now_ms(table: &dyn ScoreTable) -> u64 {
        table.now_ms()
    }

    fn drain(_: &dyn ScoreTable, _: usize, _: usize, _: &mut Vec<()>) {}

    fn residents(table: &dyn ScoreTable, _: usize, _: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        table.residents(into);
        None
    }

    fn order(residents: &mut Vec<Resident>) {
        residents.sort_by(|one, other| one.scope.cmp(&other.scope));
    }

    fn settle(_: &mut Instance<ScoringCalls>, _: &dyn ScoreTable, _: usize) -> Result<(), CallError> {
        Ok(())
    }

    fn observe(_: &mut Instance<ScoringCalls>, _: u64, _: &[()]) -> Result<(), CallError> {
        Ok(())
    }

    fn adopt(
        instance: &mut Instance<ScoringCalls>,
        now_ms: u64,
        residents: &[Resident],
        last: bool,
    ) -> Result<(), CallError> {
        instance.adopt(now_ms, residents, last)
    }

    fn tick(
        instance: &mut Instance<ScoringCalls>,
        now_ms: u64,
        _: &Interests,
        table: &dyn ScoreTable,
        _: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load())
    }
}
