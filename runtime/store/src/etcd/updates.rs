use std::{collections::VecDeque, sync::Arc};

use etcd_client::{Event as EtcdEvent, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream};
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::{
    connection::Connection,
    connections::Connections,
    errors::Failure,
    place::{Answer, Ended, Event, Place},
    reads::{check_revision, end_of, number_of, revision_of},
};
use crate::{Change, HEARTBEAT, Revision, StoreError, Update, Updates, Versioned};

/// A watch of its own for each follower, on the connection that is current when it begins.
pub(super) async fn follow(
    connections: &Arc<Connections>,
    prefix: &str,
    after: Revision,
) -> Result<Updates, StoreError> {
    check_revision(connections, prefix, after).await?;
    let follower = Follower::start(connections, prefix, after).await?;
    Ok(Box::pin(stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(update) => Some((Ok(update), Some(follower))),
            Err(error) => Some((Err(error), None)),
        }
    })))
}

struct Follower {
    connections: Arc<Connections>,
    connection: Connection,
    requests: WatchRequestSender,
    answers: WatchResponseStream,
    place: Place,
    /// Told by an answer and not taken yet.
    ready: VecDeque<Update>,
    /// When something last came.
    heard: Instant,
    /// When progress was asked for since.
    asked: Option<Instant>,
}

impl Follower {
    async fn start(connections: &Arc<Connections>, prefix: &str, after: Revision) -> Result<Self, StoreError> {
        // The watch begins at the last revision that is known, not after it. So it is refused where anything after that
        // may be missing: up to 3.4.35 and 3.5.17 etcd forgets a deletion that was made at the very revision that it
        // compacts to, and yet lets a watch begin there (etcd#18089, #19179).
        let from = number_of(after).max(1);
        let options = WatchOptions::new().with_range(end_of(prefix)).with_start_revision(from).with_progress_notify();
        let prefix = prefix.to_owned();
        let (connection, watch) = connections
            .ask(|member| async move {
                let watch = member.watch().watch(prefix, Some(options)).await?;
                Ok((member, watch))
            })
            .await?;
        let (requests, answers) = watch.split();
        Ok(Self {
            connections: Arc::clone(connections),
            connection,
            requests,
            answers,
            place: Place::new(after),
            ready: VecDeque::new(),
            heard: Instant::now(),
            asked: None,
        })
    }

    async fn next(&mut self) -> Result<Update, StoreError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            match self.answer().await {
                Ok(Some(answer)) => {
                    let updates = self.place.take(answer).map_err(|ended| self.ended(ended))?;
                    self.ready.extend(updates);
                }
                Ok(None) => {}
                Err(failure) => {
                    self.connections.leave_after(&self.connection, &failure);
                    return Err(self.failed(failure));
                }
            }
        }
    }

    /// The next answer; none: nothing has come for a while, and etcd was asked how far it is.
    async fn answer(&mut self) -> Result<Option<Answer>, Failure> {
        let deadline = self.asked.unwrap_or(self.heard) + HEARTBEAT;
        match timeout_at(deadline, self.answers.message()).await {
            Ok(Ok(Some(answer))) => {
                (self.heard, self.asked) = (Instant::now(), None);
                Ok(Some(ours(&answer)))
            }
            Ok(Ok(None)) => Err(gone("etcd has closed the watch")),
            Ok(Err(error)) => Err(error.into()),
            Err(_) if self.asked.is_some() => Err(gone("etcd is silent")),
            Err(_) => {
                self.asked = Some(Instant::now());
                self.requests.request_progress().await?;
                Ok(None)
            }
        }
    }

    fn ended(&self, ended: Ended) -> StoreError {
        let failure = match ended {
            Ended::Compacted(after) => return StoreError::Compacted { after },
            Ended::Refused(reason) => {
                return StoreError::Foreign(format!("etcd does not let us watch: {}", reason.escape_debug()));
            }
            Ended::Canceled(reason) => gone(&format!("etcd has canceled the watch: {}", reason.escape_debug())),
        };
        self.connections.leave_after(&self.connection, &failure);
        failure.into()
    }

    /// What is too much for one message is too much to follow: a list has it in pages.
    fn failed(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::OutOfRange(_) => StoreError::Compacted { after: self.place.after() },
            other => other.into(),
        }
    }
}

fn gone(why: &str) -> Failure {
    Failure::Other(StoreError::unavailable(why.to_owned()))
}

fn ours(answer: &WatchResponse) -> Answer {
    Answer {
        watch: answer.watch_id(),
        revision: revision_of(answer.header().map_or(0, etcd_client::ResponseHeader::revision)),
        created: answer.created(),
        canceled: answer.canceled(),
        compacted: answer.compact_revision() != 0,
        reason: answer.cancel_reason().chars().take(200).collect(),
        events: answer.events().iter().filter_map(event).collect(),
    }
}

fn event(event: &EtcdEvent) -> Option<Event> {
    let entry = event.kv()?;
    let revision = revision_of(entry.mod_revision());
    // A key that is there has a version of at least one. The library's own name for the kind of an event panics at kinds
    // that it does not know.
    let there = entry.version() > 0;
    let change = entry.key_str().ok().map(|key| Change {
        key: key.to_owned(),
        entry: there.then(|| Versioned { value: entry.value().to_vec().into(), revision }),
    });
    Some(Event { revision, change })
}
