use switchyard_types::Interests;
use wasmtime::{Store, component};

use super::{Alert, AlertTable, calls::AlertingCalls};
use crate::{
    CallError, HostError, Strategy,
    guest_state::GuestState,
    instance::Instance,
    kind::{Hook, Kind},
};

/// Alerting, as the machinery of all kinds sees it.
pub(crate) struct Alerting;

/// The places of the hooks in `ASKED`.
pub(super) const EVALUATE: usize = 0;
pub(super) const NOTIFY: usize = 1;

impl Kind for Alerting {
    type Calls = AlertingCalls;
    type Table = dyn AlertTable;
    /// Nothing happens between two evaluations that an instance would have to hear of.
    type Event = ();
    type Resident = Alert;

    const ASKED: &'static [Hook] = &[Hook::batched("evaluate"), Hook::batched("notify")];

    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<AlertingCalls> {
        AlertingCalls::bind(store, instance)
    }

    fn wants(interests: &Interests) -> u64 {
        u64::from(interests.batch)
    }

    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
        super::corpus::self_test(strategy, seed)
    }

    fn now_ms(table: &dyn AlertTable) -> u64 {
        table.now_ms()
    }

    fn drain(_: &dyn AlertTable, _: usize, _: usize, _: &mut Vec<()>) {}

    fn residents(table: &dyn AlertTable, shard: usize, _: Option<usize>, into: &mut Vec<Alert>) -> Option<usize> {
        table.residents(shard, into);
        None
    }

    fn order(alerts: &mut Vec<Alert>) {
        alerts.sort_by(|one, other| (&one.rule, one.series).cmp(&(&other.rule, other.series)));
    }

    fn settle(_: &mut Instance<AlertingCalls>, _: &dyn AlertTable, _: usize) -> Result<(), CallError> {
        Ok(())
    }

    fn observe(_: &mut Instance<AlertingCalls>, _: u64, _: &[()]) -> Result<(), CallError> {
        Ok(())
    }

    fn adopt(
        instance: &mut Instance<AlertingCalls>,
        now_ms: u64,
        alerts: &[Alert],
        last: bool,
    ) -> Result<(), CallError> {
        instance.adopt(now_ms, alerts, last)
    }

    fn tick(
        instance: &mut Instance<AlertingCalls>,
        now_ms: u64,
        _: &Interests,
        table: &dyn AlertTable,
        shard: usize,
    ) -> Result<(), CallError> {
        instance.tick(now_ms, table.load(shard))
    }
}
