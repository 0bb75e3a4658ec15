use std::{collections::BTreeSet, io, sync::Arc};

use switchyard_plan::{DesiredSlot, DesiredState};
use switchyard_types::{SlotId, Stage, StageFailure};
use tokio::task::spawn_blocking;

use super::{Probation, Reconciler, reconciler::write};
use crate::shared::{SlotRecord, Told};

impl Reconciler {
    /// The same content under another name or generation: the record says so, and so does the disk if it holds it.
    ///
    /// A quarantined version that somebody asks for again is tried again at once.
    pub(super) async fn relabel(&self, wanted: DesiredSlot) {
        if let Some(handle) = self.shared.slots.get(&wanted.slot).cloned()
            && let Err(error) = spawn_blocking(move || handle.retry()).await
        {
            tracing::error!(slot = %wanted.slot, %error, "a quarantined strategy is not tried again yet");
        }
        let healthy = self.shared.update_slot(&wanted.slot, |record| {
            record.staged = Some(wanted.version());
            record.actual.active = Some(wanted.clone());
            record.actual.healthy.clone().filter(|healthy| healthy.same_content(&wanted))
        });
        if healthy.is_some() {
            drop(self.remember(&wanted.slot.clone(), Some(wanted)).await);
        }
    }

    pub(super) async fn confirm(&self, slot: SlotId) {
        let Some(actual) = self.shared.read(|state| Some(state.slots.get(&slot)?.actual.clone())) else { return };
        let known = actual.healthy == actual.active;
        let remembered = known || self.remember(&slot, actual.active).await.is_ok();
        let probation = if remembered { None } else { self.trial() };
        self.shared.update_slot(&slot, |record| {
            record.actual.probation = probation;
            if remembered {
                record.note_trusted();
            }
        });
        if remembered && let Some(handle) = self.shared.slots.get(&slot) {
            handle.trust();
            self.checkpoints.write(&slot).await;
        }
    }

    pub(super) async fn suspend(&self, slot: &SlotId) {
        let handle = self.shared.slots.get(slot).cloned();
        let figures = spawn_blocking(move || handle.map(|handle| handle.figures())).await.ok().flatten();
        let retry_in_ms = figures.and_then(|figures| figures.half_open_in_ms);
        self.shared.update_slot(slot, |record| {
            record.actual.probation = Some(Probation::Suspended);
            if let Some(active) = &record.actual.active {
                let reason = "quarantined before it was healthy: it trapped or missed its budget too often; the built-in \
                              fallback decides in its place";
                let told = Told::once(active.version(), StageFailure::new(Stage::Flip, reason));
                record.note_failure(Told { retry_in_ms, ..told });
            }
        });
    }

    /// Puts what runs well in one slot on disk, then into the state, then drops plugins that nothing names any more.
    pub(super) async fn remember(&self, slot: &SlotId, healthy: Option<DesiredSlot>) -> io::Result<()> {
        let state = self.shared.state();
        let others = state.slots.iter().filter(|(id, _)| *id != slot).filter_map(|(_, r)| r.actual.healthy.clone());
        let slots: Vec<_> = others.chain(healthy.clone()).collect();
        let routes = state.routes.healthy.clone();
        self.write_healthy(DesiredState { generation: state.desired.generation, slots, routes }).await?;
        self.shared.update_slot(slot, |record| record.actual.healthy = healthy);
        self.prune().await;
        Ok(())
    }

    pub(super) async fn write_healthy(&self, record: DesiredState) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        let written = write(move || folder.write_healthy(&record)).await;
        if let Err(error) = &written {
            tracing::error!(%error, "what is healthy could not be written");
        }
        written
    }

    async fn prune(&self) {
        let state = self.shared.state();
        // What is warm too: a version that the node could not start again by itself is not gone back to.
        let named = |record: SlotRecord| {
            let warm = [record.trusted, record.previous].into_iter().flatten().map(|proven| proven.version);
            [record.actual.active, record.actual.healthy].into_iter().flatten().chain(warm)
        };
        let slots = state.desired.slots.iter().cloned().chain(state.slots.into_values().flat_map(named));
        let keep: BTreeSet<_> = slots.map(|slot| slot.digest).collect();
        let blobs = self.stager.blobs.clone();
        if let Err(error) = write(move || blobs.prune(&keep).map(|_| ())).await {
            tracing::warn!(%error, "old plugins stay on disk");
        }
    }
}
