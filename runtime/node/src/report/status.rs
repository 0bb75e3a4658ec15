use std::{collections::BTreeMap, sync::Arc, time::UNIX_EPOCH};

use switchyard_host::{Host, Progress, SlotFigures};
use switchyard_plan::DesiredSlot;
use switchyard_types::{Figure, NodeId, NodeStatus, SlotId, SlotStaging, SlotStatus, SlotVersion};

use super::windows::Reading;
use crate::engines::Figures;
use crate::shared::{Shared, SlotRecord, unix_ms};

/// Where the parts of a node's status are read.
pub(crate) struct StatusSource {
    pub(crate) node: NodeId,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) listeners: BTreeMap<String, String>,
    pub(crate) host: Host,
    pub(crate) figures: Vec<Figures>,
    pub(crate) shared: Arc<Shared>,
}

/// The counters of every slot.
pub(crate) type Readings = BTreeMap<SlotId, Reading>;

impl StatusSource {
    /// The status now. It asks the host, which may take a moment: not for a task of its own.
    pub(crate) fn read(&self) -> NodeStatus {
        self.status(&self.slot_figures())
    }

    /// The status now, and the counters of the same moment.
    pub(crate) fn observe(&self) -> (NodeStatus, Readings) {
        let figures = self.slot_figures();
        let status = self.status(&figures);
        let active = |id: &SlotId| status.slots.iter().find(|slot| slot.slot == *id)?.active.clone();
        let reading = |(id, figures): (&SlotId, SlotFigures)| {
            (id.clone(), Reading { version: active(id), measures: figures.measures })
        };
        let readings = figures.into_iter().map(reading).collect();
        (status, readings)
    }

    fn slot_figures(&self) -> BTreeMap<&SlotId, SlotFigures> {
        self.shared.slots.iter().map(|(id, slot)| (id, slot.figures())).collect()
    }

    fn status(&self, figures: &BTreeMap<&SlotId, SlotFigures>) -> NodeStatus {
        let state = self.shared.state();
        let slots = state.slots.into_iter().map(|(id, record)| {
            let received = state.desired.slot(&id).map(DesiredSlot::version);
            SlotStatus { received, ..slot_status(&id, record, figures.get(&id)) }
        });
        let gauges = self.host.gauges();
        NodeStatus {
            node: self.node.clone(),
            labels: self.labels.clone(),
            generation: state.desired.generation,
            not_followed: state.not_followed,
            listeners: self.listeners.clone(),
            contracts: Host::contracts(),
            slots: slots.collect(),
            routes: state.routes.status(&state.desired.routes),
            live_generations: gauges.live_generations,
            live_instances: gauges.live_instances,
            live_bytes: gauges.live_bytes,
            figures: self.figures.iter().flat_map(|figures| figures()).filter_map(named).collect(),
            resident_bytes: resident_bytes().unwrap_or_default(),
            at_unix_ms: unix_ms(),
        }
    }
}

/// A histogram is for metrics: a status shows numbers.
fn named(figure: Figure) -> Option<(String, f64)> {
    Some((figure.to_string(), figure.number()?))
}

fn slot_status(slot: &SlotId, record: SlotRecord, figures: Option<&SlotFigures>) -> SlotStatus {
    let plugin = record.running.as_ref().map(|strategy| {
        let manifest = strategy.plugin().manifest();
        (manifest.name.clone(), manifest.version.clone())
    });
    SlotStatus {
        slot: slot.clone(),
        received: None,
        staged: record.staged,
        active: record.actual.active.as_ref().map(DesiredSlot::version),
        last_healthy: record.actual.healthy.as_ref().map(DesiredSlot::version),
        last_failure: record.last_failure,
        plugin,
        flip_ms: figures.and_then(|figures| figures.last_swap.as_ref()).map(|swap| swap.flip_ms),
        staging: record.staging.and_then(|(version, progress)| staging(version, &progress)),
        staging_ms: record.staging_ms,
        going_back_ms: record.going_back_ms,
        flips: figures.map_or(0, |figures| figures.flips),
        shards: figures.map(|figures| figures.shards.clone()).unwrap_or_default(),
        hooks: figures.map(|figures| figures.hooks.clone()).unwrap_or_default(),
    }
}

/// None: it has not begun, or has just ended.
fn staging(version: SlotVersion, progress: &Progress) -> Option<SlotStaging> {
    let (stage, since) = progress.now()?;
    let since_unix_ms = since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    Some(SlotStaging { version, stage, since_unix_ms })
}

/// Pages that the process holds, from the second field of `/proc/self/statm`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_holds_memory() {
        assert!(super::resident_bytes().unwrap() > 1 << 20);
    }
}
