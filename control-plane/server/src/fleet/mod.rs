//! What is known of the nodes: `list` reads who they are and what they report, `view` follows that to count (`counts`) what they
//! make of strategies.

mod counts;
mod list;
mod view;

use std::sync::{Arc, OnceLock};

use switchyard_store::ConfigStore;
use switchyard_types::{Selection, StrategyDocument};
use tokio::{
    sync::{Mutex, watch},
    task::spawn_blocking,
};

use self::{counts::Counted, view::FleetView};
use crate::problem::Problem;

/// The nodes.
pub(crate) struct Fleet {
    store: Arc<dyn ConfigStore>,
    /// Begins when somebody asks: a server that nobody asks follows nobody.
    view: OnceLock<FleetView>,
    /// Held while it is counted: who asks for the same meanwhile waits, and finds it here.
    counted: Mutex<Counted>,
}

impl Fleet {
    pub(crate) fn new(store: Arc<dyn ConfigStore>) -> Self {
        Self { store, view: OnceLock::new(), counted: Mutex::default() }
    }

    /// Adds to these strategies what the nodes make of them; nothing, if those are not known yet. Which strategy comes before which
    /// is worked out here by the planner, as on the nodes.
    pub(crate) async fn count(&self, documents: &mut [StrategyDocument]) -> Result<(), Problem> {
        let Some(known) = self.view().known().await else { return Ok(()) };
        let mut counted = self.counted.lock().await;
        let counts = match counted.find(known.version, documents) {
            Some(counts) => counts,
            None => {
                let (of, version) = (documents.to_vec(), known.version);
                // Every node against every rival: too much for a thread that answers others.
                let counts = spawn_blocking(move || counts::counts_of(&known, of)).await.map_err(Problem::internal)?;
                counted.keep(version, documents, &counts);
                counts
            }
        };
        for document in documents {
            if let Some(status) = &mut document.status {
                status.fleet = counts.get(&document.name).copied();
            }
        }
        Ok(())
    }

    /// Moves when the counts may have.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.view().moves()
    }

    /// What is odd about a selection that is not wrong by itself: that no node is meant. Where no node is known at all, nobody
    /// can say.
    pub(crate) async fn warnings(&self, selection: Selection<'_>) -> Vec<String> {
        let nodes = self.view().known().await.unwrap_or_default().nodes;
        if nodes.is_empty() || nodes.iter().any(|(id, node)| selection.matches(id, &node.labels)) {
            return Vec::new();
        }
        vec![format!("spec.selector and spec.cohort match none of the {} known nodes", nodes.len())]
    }

    fn view(&self) -> &FleetView {
        self.view.get_or_init(|| FleetView::start(&self.store))
    }
}
