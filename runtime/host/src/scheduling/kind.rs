use wasmtime::{Store, component};

use std::time::Duration;

use super::{Event, QueueTable, RANKED_MAX, Resident, calls::SchedulingCalls};
use crate::{
    CallError, HostError, Strategy,
    description::BATCH_MAX,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind, Slice},
};
use switchyard_types::Interests;

/// A task that is pushed waits for the disk anyway, and a wrong place costs it more than a moment: so long it waits for
/// whatever the policy threads have the instance do.
const WAIT_MAX: Duration = Duration::from_millis(3);

/// Interests in `rank`: once after an instance has taken over, and after every tick.
const RANK_ONCE: &str = "rank-once";
const RANK: &str = "rank";

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
    const WAIT_MAX: Duration = WAIT_MAX;

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<SchedulingCalls> {
        SchedulingCalls::bind(store, instance)
    }

    fn wants(interests: &Interests) -> u64 {
        super::slot::encode(interests)
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
        _: &Interests,
        table: &dyn QueueTable,
        shard: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load(shard))
    }

    fn took_over(table: &dyn QueueTable, shard: usize) {
        table.took_over(shard);
    }

    fn slices(interests: &Interests) -> usize {
        if asks_for(interests, RANK) { RANKED_MAX.div_ceil(BATCH_MAX as usize) } else { 0 }
    }

    /// New ranks for one batch: for what another has placed, as long as there is any, then for whose turn it is.
    fn slice<'a>(
        table: &'a dyn QueueTable,
        shard: usize,
        interests: &Interests,
        due: &mut usize,
    ) -> Option<Slice<'a, SchedulingCalls>> {
        let (mut tasks, max) = (Vec::new(), BATCH_MAX as usize);
        if asks_for(interests, RANK_ONCE) || asks_for(interests, RANK) {
            table.unranked(shard, max, &mut tasks);
        }
        if tasks.is_empty() && *due > 0 {
            table.ranked(shard, max, &mut tasks);
            // The end of a round: nobody is ranked twice in one tick.
            *due = if tasks.len() < max { 0 } else { *due - 1 };
        }
        if tasks.is_empty() {
            return None;
        }
        Some(Box::new(move |instance, now_ms| {
            table.rerank(shard, &tasks, &instance.rank(now_ms, &tasks)?);
            Ok(())
        }))
    }
}

fn asks_for(interests: &Interests, name: &str) -> bool {
    interests.events.iter().any(|event| event == name)
}
