use std::collections::BTreeSet;

use axum::{body::Bytes, response::Response};
use futures_util::{StreamExt, stream, stream::BoxStream};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use switchyard_store::{Change, LIST_ENTRIES_MAX, Revision, StoreError, Update, keyspace};
use switchyard_types::{Document, ErrorCode, WatchKind};
use tokio::sync::mpsc;

use super::App;
use crate::{
    documents::{self, Stored},
    paging::{self, PageRequest},
    problem::Problem,
};

/// Lines that a client may be behind before the store is read no further.
const LINES_MAX: usize = 64;

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// Declared strategies.
    Strategies,
    /// Declared routes.
    Routes,
    /// Nodes: who they are, and what they report.
    Nodes,
}

impl Watched {
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Strategies => &[keyspace::STRATEGIES],
            Self::Routes => &[keyspace::ROUTES],
            Self::Nodes => &[keyspace::NODES, keyspace::STATUS],
        }
    }
}

/// One line of a watch.
pub(super) fn line<T: Serialize>(kind: WatchKind, object: &T) -> Bytes {
    let mut line = serde_json::to_vec(&json!({"type": kind, "object": object})).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Answers with a line for each object that is there, where no version is given, and then with one for each change. With a
/// version the changes since are told; what a watch has not told of before is `ADDED`, also where it has long been there.
pub(super) async fn watch<T>(app: &App, watched: Watched, from: Option<u64>) -> Result<Response, Problem>
where
    T: Shown,
{
    let place = app.streams.enter()?;
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let mut watcher = Watcher { app: app.clone(), watched, lines, seen: BTreeSet::new() };
    // Before anything is answered: that a version is too old is a status of its own.
    let updates = match from {
        Some(version) => Some(watcher.updates(Revision(version)).await?),
        None => None,
    };
    tokio::spawn(async move {
        if let Err(Ended::Failed(problem)) = watcher.run::<T>(updates).await {
            let error = line(WatchKind::Error, &problem.public);
            // Whoever has gone need not be told.
            let _ = watcher.lines.send(error).await;
        }
    });
    Ok(place.lines(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })))
}

/// How an object under a key is shown to whoever watches.
pub(super) trait Shown: Send + 'static {
    /// The object; none: it is gone.
    fn show(app: &App, change: &Change, name: &str) -> impl Future<Output = Result<Option<Value>, Problem>> + Send;
}

impl<N, S, T> Shown for Document<N, S, T>
where
    Self: DeserializeOwned + Serialize + Send + Sync + 'static,
{
    async fn show(_: &App, change: &Change, _: &str) -> Result<Option<Value>, Problem> {
        let Some(entry) = &change.entry else { return Ok(None) };
        let stored: Stored<Self> = documents::decode(&change.key, entry)?;
        let document = Self { resource_version: Some(stored.revision.0), ..stored.value };
        serde_json::to_value(document).map(Some).map_err(Problem::internal)
    }
}

impl Shown for switchyard_types::ListedNode {
    async fn show(app: &App, _: &Change, name: &str) -> Result<Option<Value>, Problem> {
        // Two keys make a node, so it is read anew whichever of them has changed.
        let Ok(id) = name.parse() else { return Ok(None) };
        let node = app.fleet.find(&id).await?;
        node.map(serde_json::to_value).transpose().map_err(Problem::internal)
    }
}

/// Why a watch ends.
enum Ended {
    /// Nobody listens any more.
    Unheard,
    Failed(Problem),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

struct Watcher {
    app: App,
    watched: Watched,
    lines: mpsc::Sender<Bytes>,
    /// Names that were told of and are not gone.
    seen: BTreeSet<String>,
}

type AllUpdates = BoxStream<'static, (&'static str, Result<Update, StoreError>)>;

impl Watcher {
    async fn run<T: Shown>(&mut self, updates: Option<AllUpdates>) -> Result<(), Ended> {
        let mut updates = match updates {
            Some(updates) => updates,
            None => {
                let listed = self.list::<T>().await?;
                self.updates(listed).await?
            }
        };
        let mut reached = vec![Revision::default(); self.watched.prefixes().len()];
        while let Some((prefix, update)) = updates.next().await {
            let (revision, is_progress) = match update.map_err(expired)? {
                Update::Alive => continue,
                Update::Progress(revision) => (revision, true),
                Update::Changed { revision, changes } => {
                    for change in changes {
                        self.change::<T>(prefix, &change).await?;
                    }
                    (revision, false)
                }
            };
            let places = self.watched.prefixes().iter().zip(&mut reached);
            places.filter(|(of, _)| **of == prefix).for_each(|(_, place)| *place = revision);
            // A document's own version is a place to go on from; where two keys make an object there is none.
            if is_progress || self.watched == Watched::Nodes {
                self.bookmark(reached.iter().min().copied().unwrap_or_default()).await?;
            }
        }
        Ok(())
    }

    async fn updates(&self, after: Revision) -> Result<AllUpdates, Problem> {
        let mut all = Vec::new();
        for prefix in self.watched.prefixes() {
            let updates = self.app.store.updates(prefix, after).await.map_err(expired)?;
            all.push(updates.map(move |update| (*prefix, update)).boxed());
        }
        Ok(stream::select_all(all).boxed())
    }

    /// Tells of everything that is there. After what is returned nothing was missed.
    async fn list<T: Shown>(&mut self) -> Result<Revision, Ended> {
        let mut first = None;
        let prefixes = self.watched.prefixes();
        for prefix in prefixes {
            let mut request = PageRequest { limit: LIST_ENTRIES_MAX - 1, after: None };
            loop {
                let page = documents::raw(&*self.app.store, prefix, &request).await?;
                first.get_or_insert(page.revision);
                for (key, entry) in page.entries {
                    let change = Change { key, entry: Some(entry) };
                    if !self.seen.contains(name(&change.key, prefix)) {
                        self.change::<T>(prefix, &change).await?;
                    }
                }
                match page.next {
                    Some(token) => request.after = Some(paging::decode(&token)?),
                    None => break,
                }
            }
        }
        let listed = first.unwrap_or_default();
        self.bookmark(listed).await?;
        Ok(listed)
    }

    async fn change<T: Shown>(&mut self, prefix: &str, change: &Change) -> Result<(), Ended> {
        let name = name(&change.key, prefix);
        match T::show(&self.app, change, name).await? {
            Some(object) => {
                let is_new = self.seen.insert(name.to_owned());
                self.tell(if is_new { WatchKind::Added } else { WatchKind::Modified }, &object).await
            }
            None => {
                self.seen.remove(name);
                let key = if self.watched == Watched::Nodes { "node" } else { "name" };
                self.tell(WatchKind::Deleted, &json!({ key: name })).await
            }
        }
    }

    async fn bookmark(&self, reached: Revision) -> Result<(), Ended> {
        if reached == Revision::default() {
            return Ok(());
        }
        self.tell(WatchKind::Bookmark, &json!({"resourceVersion": reached.0})).await
    }

    async fn tell<T: Serialize>(&self, kind: WatchKind, object: &T) -> Result<(), Ended> {
        self.lines.send(line(kind, object)).await.map_err(|_| Ended::Unheard)
    }
}

fn name<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}

/// What the store has forgotten, or never knew, is too old to go on from.
fn expired(error: StoreError) -> Problem {
    match error {
        StoreError::Compacted { after } => {
            let message = format!("resourceVersion {} is too old: list again, and watch from there", after.0);
            Problem::new(ErrorCode::Expired, message)
        }
        other => other.into(),
    }
}
