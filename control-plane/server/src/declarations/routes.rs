use std::sync::Arc;

use switchyard_store::keyspace;
use switchyard_types::{
    Generation, RouteDocument, RouteName,
    route::{ROUTES_MAX, RouteSpec, RouteStatus},
};

use super::{
    Declared, Desired, Intent,
    kind::{Kind, check_head},
};
use crate::problem::Problem;

/// Declares routes. That a backend is where some node's gateway listens is known to that node alone, and told in its status.
pub(crate) struct Routes {
    desired: Arc<Desired>,
}

impl Routes {
    pub(crate) fn new(desired: Arc<Desired>) -> Self {
        Self { desired }
    }

    /// Checks a route and declares it.
    pub(crate) async fn apply(
        &self,
        mut document: RouteDocument,
        intent: Intent,
        dry_run: bool,
    ) -> Result<Declared<RouteDocument>, Problem> {
        check_head::<Self>(&document, document.spec.selection())?;
        if let Err(error) = document.spec.check() {
            let detail = format!("spec.{error}");
            return Err(Problem::invalid(&detail).with_details(vec![detail]));
        }
        document.status = Some(RouteStatus { generation: Generation::default(), warnings: Vec::new() });
        self.desired.declare::<Self>(&document, intent, dry_run).await
    }
}

impl Kind for Routes {
    type Name = RouteName;
    type Spec = RouteSpec;
    type Status = RouteStatus;

    const KIND: &'static str = "Route";
    const WORD: &'static str = "route";
    const WORDS: &'static str = "routes";
    const PREFIX: &'static str = keyspace::ROUTES;
    const COUNT_MAX: usize = ROUTES_MAX;

    fn key(name: &RouteName) -> String {
        keyspace::route(name)
    }

    fn set_generation(status: &mut RouteStatus, generation: Generation) {
        status.generation = generation;
    }

    fn unchanged_generation(candidate: &RouteDocument, current: &RouteDocument) -> Option<Generation> {
        let status = current.status.as_ref()?;
        (candidate.spec == current.spec).then_some(status.generation)
    }

    fn check_others(candidate: &RouteDocument, others: &[RouteDocument]) -> Result<(), Problem> {
        match switchyard_plan::route_conflict(candidate, others) {
            None => Ok(()),
            Some(conflict) => Err(Problem::conflict(format_args!(
                "{} and {} both take {}, and a node may match both: give them different hosts or path prefixes, or \
                 selectors or cohorts that exclude each other",
                candidate.name, conflict.with, conflict.claim
            ))),
        }
    }
}
