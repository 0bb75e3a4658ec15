use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use switchyard_store::{Change, keyspace};
use switchyard_types::{FleetCounts, StrategyDocument};
use tokio::time::{Instant, sleep_until};

use super::{
    News, Part, Subject,
    documents::{document, name, shown},
};
use crate::{
    documents::{self, RawPage},
    http::App,
    paging::PageRequest,
    problem::Problem,
};

/// Between two looks at what nodes make of them: a fleet that flips changes the counts a thousand times.
const PACE: Duration = Duration::from_millis(500);

/// Declared strategies, with how many nodes run each: a strategy is told again when that has moved.
#[derive(Default)]
pub(in crate::http) struct Strategies {
    /// By name, as they were told last.
    told: BTreeMap<String, StrategyDocument>,
    /// What was known of the nodes then, and when that was.
    counted: u64,
    at: Option<Instant>,
}

impl Subject for Strategies {
    const PREFIX: &'static str = keyspace::STRATEGIES;
    const KEY: &'static str = "name";

    async fn part(&mut self, app: &App, request: &PageRequest) -> Result<Part, Problem> {
        let RawPage { entries, next, revision } = documents::raw(&*app.store, Self::PREFIX, request).await?;
        let changes = entries.into_iter().map(|(key, entry)| Change { key, entry: Some(entry) }).collect();
        Ok(Part { news: self.changed(app, changes).await?, next, revision })
    }

    async fn changed(&mut self, app: &App, changes: Vec<Change>) -> Result<Vec<News>, Problem> {
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for Change { key, entry } in changes {
            match entry {
                Some(entry) => there.push(document(&key, &entry)?),
                None => gone.push(name(&key, Self::PREFIX).to_owned()),
            }
        }
        app.fleet.count(&mut there).await?;
        let mut news = Vec::new();
        for document in there {
            news.push(News::Is(document.name.to_string(), shown(&document)?));
            self.told.insert(document.name.to_string(), document);
        }
        for name in gone {
            self.told.remove(&name);
            news.push(News::Gone(name));
        }
        Ok(news)
    }

    async fn stirred(&mut self, app: &App) -> Result<Vec<News>, Problem> {
        let mut moves = app.fleet.moves();
        let counted = self.counted;
        if moves.wait_for(|moved| *moved != counted).await.is_err() {
            // The server stops.
            std::future::pending::<()>().await;
        }
        if let Some(at) = self.at {
            sleep_until(at + PACE).await;
        }
        let moved = *moves.borrow();
        let mut counted: Vec<_> = self.told.values().cloned().collect();
        app.fleet.count(&mut counted).await?;
        (self.counted, self.at) = (moved, Some(Instant::now()));
        let mut news = Vec::new();
        for document in counted {
            if let Entry::Occupied(mut told) = self.told.entry(document.name.to_string())
                && fleet(told.get()) != fleet(&document)
            {
                news.push(News::Is(document.name.to_string(), shown(&document)?));
                told.insert(document);
            }
        }
        Ok(news)
    }
}

fn fleet(document: &StrategyDocument) -> Option<FleetCounts> {
    document.status.as_ref()?.fleet
}
