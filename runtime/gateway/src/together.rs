use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use switchyard_host::{HostError, Strategy, SwapReport};
use switchyard_types::RouteName;

use crate::{gateway::Shared, route::Route};

/// Pause until a strategy that did not start for a route is tried again there; it doubles every time.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What decides for every route. Held for moments: figures never wait for a staging.
#[derive(Default)]
pub(crate) struct Together {
    /// With its seed; none: the built-in fallback.
    pub(crate) current: Option<(Strategy, u64)>,
    pub(crate) flips: u64,
    pub(crate) last: Option<SwapReport>,
    /// Routes for which it did not start: the fallback decides there until it does.
    behind: BTreeSet<RouteName>,
    retrying: bool,
}

impl Together {
    /// All routes have it.
    pub(crate) fn flipped(&mut self, strategy: Option<(Strategy, u64)>) {
        self.current = strategy;
        self.flips += 1;
        self.behind.clear();
    }

    /// How many routes the fallback decides for although there is a strategy.
    pub(crate) fn behind(&self) -> usize {
        self.behind.len()
    }
}

/// The caller holds `changing`.
impl Shared {
    /// What decides for the others decides here too, whatever decided before. Where it does not start the fallback decides,
    /// which is better than no route; it is tried again.
    pub(crate) fn align(self: &Arc<Self>, route: &Route) {
        let current = self.together.lock().current.clone();
        let Err(error) = decide_for(route, current.as_ref()) else { return };
        tracing::error!(route = %route.name, %error, "the routes' strategy does not start here: round robin decides");
        route.decider.slot().clear();
        let mut together = self.together.lock();
        together.behind.insert(route.name.clone());
        if !std::mem::replace(&mut together.retrying, true) {
            self.deciding.runtime.spawn(retry(Arc::downgrade(self)));
        }
    }
}

impl Shared {
    /// Returns whether no route is left behind.
    fn catch_up(&self) -> bool {
        let _changing = self.changing.lock();
        let (current, behind) = {
            let together = self.together.lock();
            (together.current.clone(), together.behind.clone())
        };
        let table = self.routes.load_full();
        let is_behind =
            |name: &RouteName| table.get(name).is_some_and(|route| decide_for(route, current.as_ref()).is_err());
        let behind: BTreeSet<_> = behind.into_iter().filter(is_behind).collect();
        let mut together = self.together.lock();
        together.retrying = !behind.is_empty();
        together.behind = behind;
        !together.retrying
    }
}

async fn retry(shared: Weak<Shared>) {
    let mut pause = RETRY_MIN;
    loop {
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(RETRY_MAX);
        let Some(shared) = shared.upgrade() else { return };
        // A host that panics here is tried again.
        if tokio::task::spawn_blocking(move || shared.catch_up()).await.unwrap_or(false) {
            return;
        }
    }
}

fn decide_for(route: &Route, current: Option<&(Strategy, u64)>) -> Result<(), HostError> {
    match current {
        Some((strategy, seed)) => route.decider.slot().swap(strategy, *seed).map(drop),
        None => {
            route.decider.slot().clear();
            Ok(())
        }
    }
}
