use switchyard_types::Interests;
use wasmtime::{Store, component};

use super::{CacheTable, Event, Resident, calls::CachingCalls};
use crate::{
    CallError, HostError, Strategy,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind},
};

/// Caching, as the machinery of all kinds sees it.
pub(crate) struct Caching;

impl Kind for Caching {
    type Calls = CachingCalls;
    type Table = dyn CacheTable;
    type Event = Event;
    type Resident = Resident;

    const ASKED: &'static [Hook] = &[Hook::waited("store")];

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<CachingCalls> {
        CachingCalls::bind(store, instance)
    }

    fn wants(interests: &Interests) -> u64 {
        super::slot::encode(interests)
    }

    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
        super::corpus::self_test(strategy, seed)
    }

    fn now_ms(table: &dyn CacheTable) -> u64 {
        table.now_ms()
    }

    #[inline]
    fn drain(table: &dyn CacheTable, shard: usize, max: usize, into: &mut Vec<Event>) {
        table.drain(shard, max, into);
    }

    fn residents(
        table: &dyn CacheTable,
        shard: usize,
        cursor: Option<usize>,
        into: &mut Vec<Resident>,
    ) -> Option<usize> {
        table.residents(shard, cursor, into)
    }

    /// Least recently used first. The walk may have seen an entry twice; the later sight is the truer one.
    fn order(residents: &mut Vec<Resident>) {
        residents.sort_by_key(|resident| (resident.id, std::cmp::Reverse(resident.last_access)));
        residents.dedup_by_key(|resident| resident.id);
        residents.sort_unstable_by_key(|resident| resident.last_access);
    }

    fn settle(instance: &mut Instance<CachingCalls>, table: &dyn CacheTable, shard: usize) -> Result<(), CallError> {
        instance.resize(table.budget(shard))
    }

    fn observe(instance: &mut Instance<CachingCalls>, now_ms: u64, events: &[Event]) -> Result<(), CallError> {
        instance.observe(now_ms, events)
    }

    fn adopt(
        instance: &mut Instance<CachingCalls>,
        now_ms: u64,
        residents: &[Resident],
        last: bool,
    ) -> Result<(), CallError> {
        instance.adopt(now_ms, residents, last)
    }

    fn tick(
        instance: &mut Instance<CachingCalls>,
        now_ms: u64,
        _: &Interests,
        table: &dyn CacheTable,
        shard: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load(shard))
    }
}
