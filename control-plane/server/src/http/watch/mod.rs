//! Lists that go on with what changes. `documents`, `strategies` and `nodes` say what a change of the store means to whoever
//! watches; what is here follows the store and writes the lines.

mod documents;
mod nodes;
mod strategies;

use std::collections::BTreeSet;

use axum::{body::Bytes, response::Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use switchyard_store::{Change, HEARTBEAT, LIST_ENTRIES_MAX, Revision, StoreError, Update, Updates};
use switchyard_types::{ErrorCode, WatchKind};
use tokio::{sync::mpsc, time::Instant};

pub(super) use self::{documents::Routes, nodes::Nodes, strategies::Strategies};
use super::App;
use crate::{
    paging::{self, PageRequest},
    problem::Problem,
};

/// Lines that a client may be behind before the store is read no further.
const LINES_MAX: usize = 64;

/// What can be watched.
pub(super) trait Subject: Default + Send + Sync + 'static {
    /// Under which it changes.
    const PREFIX: &'static str;
    /// What an object that is gone is known by.
    const KEY: &'static str;

    /// Part of what is there.
    fn part(&mut self, app: &App, request: &PageRequest) -> impl Future<Output = Result<Part, Problem>> + Send;

    /// What one transaction has changed.
    fn changed(&mut self, app: &App, changes: Vec<Change>) -> impl Future<Output = Result<Vec<News>, Problem>> + Send;

    /// Waits for objects to be shown otherwise that have not changed in the store. Nothing is lost if it is given up.
    fn stirred(&mut self, _app: &App) -> impl Future<Output = Result<Vec<News>, Problem>> + Send {
        std::future::pending()
    }
}

/// Part of a list.
pub(super) struct Part {
    news: Vec<News>,
    next: Option<String>,
    /// Nothing after it is in this part for certain.
    revision: Revision,
}

/// What has become of an object.
pub(super) enum News {
    /// It is there, and shown like this.
    Is(String, Value),
    Gone(String),
}

/// One line of a watch.
pub(super) fn line<T: Serialize>(kind: WatchKind, object: &T) -> Bytes {
    let mut line = serde_json::to_vec(&json!({"type": kind, "object": object})).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Answers with a line for each object that is there, where no version is given, and then with one for each change. With a
/// version the changes since are told; what a watch has not told of before is `ADDED`, also where it has long been there.
pub(super) async fn watch<S: Subject>(app: &App, from: Option<u64>) -> Result<Response, Problem> {
    let place = app.streams.enter()?;
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let watcher = Watcher::<S> {
        app: app.clone(),
        subject: S::default(),
        lines: lines.clone(),
        seen: BTreeSet::new(),
        reached: Revision(from.unwrap_or_default()),
        told: Instant::now(),
    };
    // Before anything is answered: that a version is too old is a status of its own.
    let updates = match from {
        Some(version) => Some(watcher.updates(Revision(version)).await?),
        None => None,
    };
    let share = place.share();
    tokio::spawn(async move {
        // The place is free when this has ended, and not before: it is this that costs.
        let _share = share;
        tokio::select! {
            () = lines.closed() => {}
            ended = watcher.run(updates) => {
                if let Err(Ended::Failed(problem)) = ended {
                    // Whoever has gone need not be told.
                    let _ = lines.send(line(WatchKind::Error, &problem.public)).await;
                }
            }
        }
    });
    Ok(place.lines(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })))
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

struct Watcher<S> {
    app: App,
    subject: S,
    lines: mpsc::Sender<Bytes>,
    /// Names that were told of and are not gone.
    seen: BTreeSet<String>,
    /// Up to where everything was told.
    reached: Revision,
    /// When that was last said.
    told: Instant,
}

impl<S: Subject> Watcher<S> {
    async fn run(mut self, updates: Option<Updates>) -> Result<(), Ended> {
        let mut updates = match updates {
            Some(updates) => updates,
            None => {
                self.list().await?;
                self.updates(self.reached).await?
            }
        };
        loop {
            tokio::select! {
                update = updates.next() => match update {
                    Some(update) => self.take(update.map_err(expired)?).await?,
                    None => return Ok(()),
                },
                news = self.subject.stirred(&self.app) => self.tell_all(news?).await?,
            }
        }
    }

    /// A client takes silence for an end, so whatever the store says is told on, if only as a bookmark.
    async fn take(&mut self, update: Update) -> Result<(), Ended> {
        match update {
            Update::Alive => return self.bookmark().await,
            Update::Progress(revision) => {
                self.reached = revision;
                return self.bookmark().await;
            }
            Update::Changed { revision, changes } => {
                let news = self.subject.changed(&self.app, changes).await?;
                self.tell_all(news).await?;
                self.reached = revision;
            }
        }
        if self.told.elapsed() >= HEARTBEAT { self.bookmark().await } else { Ok(()) }
    }

    async fn updates(&self, after: Revision) -> Result<Updates, Problem> {
        self.app.store.updates(S::PREFIX, after).await.map_err(expired)
    }

    /// Tells of everything that is there. After what is reached then nothing was missed.
    async fn list(&mut self) -> Result<(), Ended> {
        let mut request = PageRequest { limit: LIST_ENTRIES_MAX - 1, after: None };
        let mut first = None;
        loop {
            let Part { news, next, revision } = self.subject.part(&self.app, &request).await?;
            first.get_or_insert(revision);
            self.tell_all(news).await?;
            match next {
                Some(token) => request.after = Some(paging::decode(&token)?),
                None => break,
            }
        }
        self.reached = first.unwrap_or_default();
        self.bookmark().await
    }

    async fn tell_all(&mut self, news: Vec<News>) -> Result<(), Ended> {
        for news in news {
            match news {
                News::Is(name, object) => {
                    let is_new = self.seen.insert(name);
                    self.tell(if is_new { WatchKind::Added } else { WatchKind::Modified }, &object).await?;
                }
                News::Gone(name) => {
                    self.seen.remove(&name);
                    self.tell(WatchKind::Deleted, &json!({ S::KEY: name })).await?;
                }
            }
        }
        Ok(())
    }

    async fn bookmark(&mut self) -> Result<(), Ended> {
        self.told = Instant::now();
        self.tell(WatchKind::Bookmark, &json!({"resourceVersion": self.reached.0})).await
    }

    async fn tell<T: Serialize>(&self, kind: WatchKind, object: &T) -> Result<(), Ended> {
        self.lines.send(line(kind, object)).await.map_err(|_| Ended::Unheard)
    }
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
