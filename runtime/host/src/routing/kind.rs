use switchyard_types::Interests;
use wasmtime::{Store, component};

use super::{Outcome, Resident, RouteTable, calls::RoutingCalls};
use crate::{
    CallError, HostError, Strategy,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind},
};

/// Routing, as the machinery of all kinds sees it.
pub(crate) struct Routing;

/// The place of the hook in `ASKED`.
pub(super) const PICK: usize = 0;

impl Kind for Routing {
    type Calls = RoutingCalls;
    type Table = dyn RouteTable;
    type Event = Outcome;
    type Resident = Resident;

    const ASKED: &'static [Hook] = &[Hook::waited("pick")];

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<RoutingCalls> {
        RoutingCalls::bind(store, instance)
    }

    fn wants(interests: &Interests) -> u64 {
        super::slot::encode(interests)
    }

    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
        super::corpus::self_test(strategy, seed)
    }

    fn now_ms(table: &dyn RouteTable) -> u64 {
        table.now_ms()
    }

    #[inline]
    fn drain(table: &dyn RouteTable, shard: usize, max: usize, into: &mut Vec<Outcome>) {
        table.drain(shard, max, into);
    }

    fn residents(table: &dyn RouteTable, _: usize, _: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        table.residents(into);
        None
    }

    fn order(residents: &mut Vec<Resident>) {
        residents.sort_unstable_by_key(|resident| resident.backend);
    }

    fn settle(instance: &mut Instance<RoutingCalls>, table: &dyn RouteTable, _: usize) -> Result<(), CallError> {
        let mut backends = Vec::new();
        table.backends(&mut backends);
        instance.backends(table.now_ms(), &backends)
    }

    fn observe(instance: &mut Instance<RoutingCalls>, now_ms: u64, outcomes: &[Outcome]) -> Result<(), CallError> {
        instance.observe(now_ms, outcomes)
    }

    fn adopt(
        instance: &mut Instance<RoutingCalls>,
        now_ms: u64,
        residents: &[Resident],
        last: bool,
    ) -> Result<(), CallError> {
        instance.adopt(now_ms, residents, last)
    }

    fn tick(
        instance: &mut Instance<RoutingCalls>,
        now_ms: u64,
        _: &Interests,
        table: &dyn RouteTable,
        shard: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load(shard))
    }
}
