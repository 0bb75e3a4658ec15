use wasmtime::{Store, component};

use super::{Event, QueueTable, RANKED_MAX, Resident, calls::SchedulingCalls};
use crate::{
    CallError, HostError, Strategy,
    description::BATCH_MAX,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind},
};
use switchyard_types::Interests;

/// Scheduling, as the machinery of all kinds sees it.
pub(crate) struct Scheduling;

/// The places of the hooks in `ASKED`.
pub(super) const SUBMIT: usize = 0;
pub(super) const FAILED: usize = 1;

impl Kind for Scheduling {
    type Calls = SchedulingCalls;
    type Table = dyn QueueTable;
    type Event = Event;
    type Resident = Resident;

    const ASKED: &'static [Hook] = &[Hook::waited("submit"), Hook::waited("failed")];

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<SchedulingCalls> {
        SchedulingCalls::bind(store, instance)
    }

    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
        super::corpus::self_test(strategy, seed)
    }

    fn now_ms(table: &dyn QueueTable) -> u64 {
        table.now_ms()
    }

    #[inline]
    fn drain(table: &dyn QueueTable, shard: usize, max: usize, into: &mut Vec<Event>) {
        table.drain(shard, max, into);
    }

    fn residents(
        table: &dyn QueueTable,
        shard: usize,
        cursor: Option<usize>,
        into: &mut Vec<Resident>,
    ) -> Option<usize> {
        table.residents(shard, cursor, into)
    }

    /// As they were accepted. The walk may have seen a task twice; the later sight is the truer one.
    fn order(residents: &mut Vec<Resident>) {
        residents.reverse();
        residents.sort_by_key(|resident| resident.task.id);
        residents.dedup_by_key(|resident| resident.task.id);
    }

    /// A queue has nothing that an instance must know before its tasks.
    fn settle(_: &mut Instance<SchedulingCalls>, _: &dyn QueueTable, _: usize) -> Result<(), CallError> {
        Ok(())
    }

    fn observe(instance: &mut Instance<SchedulingCalls>, now_ms: u64, events: &[Event]) -> Result<(), CallError> {
        instance.observe(now_ms, events)
    }

    fn adopt(
        instance: &mut Instance<SchedulingCalls>,
        now_ms: u64,
        residents: &[Resident],
        last: bool,
    ) -> Result<(), CallError> {
        instance.adopt(now_ms, residents, last)
    }

    fn tick(
        instance: &mut Instance<SchedulingCalls>,
        now_ms: u64,
        interests: &Interests,
        table: &dyn QueueTable,
        shard: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load(shard))?;
        if !interests.events.iter().any(|event| event == "rank") {
            return Ok(());
        }
        let mut tasks = Vec::new();
        table.ranked(shard, RANKED_MAX, &mut tasks);
        for chunk in tasks.chunks(BATCH_MAX as usize) {
            table.rerank(shard, chunk, &instance.rank(now_ms, chunk)?);
        }
        Ok(())
    }
}
