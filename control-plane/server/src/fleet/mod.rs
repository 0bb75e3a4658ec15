//! What is known of the nodes: `list` reads who they are and what they report, `view` follows that to count (`counts`) what they
//! make of strategies.

mod counts;
mod list;
mod view;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use switchyard_store::{ConfigStore, keyspace};
use switchyard_types::{FleetCounts, Selection, StrategyDocument, StrategyName};

use self::view::FleetView;
use crate::{
    documents::{self, Stored},
    problem::Problem,
};

/// The nodes.
pub(crate) struct Fleet {
    store: Arc<dyn ConfigStore>,
    /// Begins when somebody asks: a server that nobody asks follows nobody.
    view: OnceLock<FleetView>,
}

impl Fleet {
    pub(crate) fn new(store: Arc<dyn ConfigStore>) -> Self {
        Self { store, view: OnceLock::new() }
    }

    /// What the nodes make of every strategy; none: they are not known yet. Which strategy comes before which is worked out here
    /// by the planner, as on the nodes.
    pub(crate) async fn counts(&self) -> Result<Option<BTreeMap<StrategyName, FleetCounts>>, Problem> {
        let Some(nodes) = self.view().nodes().await else { return Ok(None) };
        let strategies: Vec<Stored<StrategyDocument>> = documents::all(&*self.store, keyspace::STRATEGIES).await?;
        let strategies: Vec<_> = strategies.into_iter().map(|stored| stored.value).collect();
        Ok(Some(counts::counts(&strategies, &nodes)))
    }

    /// What is odd about a selection that is not wrong by itself: that no node is meant. Where no node is known at all, nobody
    /// can say.
    pub(crate) async fn warnings(&self, selection: Selection<'_>) -> Vec<String> {
        let nodes = self.view().nodes().await.unwrap_or_default();
        if nodes.is_empty() || nodes.iter().any(|(id, node)| selection.matches(id, &node.labels)) {
            return Vec::new();
        }
        vec![format!("spec.selector and spec.cohort match none of the {} known nodes", nodes.len())]
    }

    fn view(&self) -> &FleetView {
        self.view.get_or_init(|| FleetView::start(&self.store))
    }
}
