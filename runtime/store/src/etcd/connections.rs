use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout},
};

use super::{
    config::{EtcdConfig, EtcdUser, endpoints},
    connection::Connection,
    errors::Failure,
};
use crate::StoreError;

/// How long one member may take until it has shown what it is.
const OPEN_MAX: Duration = Duration::from_secs(3);
/// How long one question may take, and as long the connecting before it. A little more than an etcd takes to find a leader.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A caller that stops waiting earlier says nothing about the member.
const PATIENCE: Duration = Duration::from_secs(1);

/// The members of an etcd, of which one at a time is asked. Whoever sees it fail has the next question go to the next
/// one; what the failed one still answers to others, such as a watch, is not disturbed.
pub(super) struct Connections {
    endpoints: Vec<Arc<str>>,
    user: Option<EtcdUser>,
    state: Mutex<State>,
    /// One connects, and the others wait for what comes of it.
    opening: Turn<()>,
}

#[derive(Default)]
struct State {
    current: Option<Connection>,
    /// Counts every try: also says whose turn it is.
    opened: u64,
    /// The etcd that was the first to be used.
    cluster: Option<u64>,
    /// The first try, since the last that succeeded, that found an etcd without our values.
    unused_since: Option<u64>,
}

impl Connections {
    pub(super) fn new(config: EtcdConfig) -> Result<Self, StoreError> {
        let endpoints = endpoints(&config)?;
        Ok(Self { endpoints, user: config.user, state: Mutex::default(), opening: Turn::default() })
    }

    /// Asks the member whose turn it is, once: whether a failed question may be put again is the caller's to know.
    pub(super) async fn ask<T, F>(&self, question: impl FnOnce(Connection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let opened = timeout(ANSWER_MAX, self.connection()).await.unwrap_or_else(|_| Err(no_answer(ANSWER_MAX)));
        let connection = opened.map_err(Failure::Other)?;
        let mut asked = Asked { connections: self, connection: &connection, since: Instant::now(), answered: false };
        let answer = timeout(ANSWER_MAX, question(connection.clone())).await;
        asked.answered = answer.is_ok();
        let failure = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.into(),
            Err(_) => Failure::Other(named(connection.address(), no_answer(ANSWER_MAX))),
        };
        self.leave_after(&connection, &failure);
        Err(failure)
    }

    /// The connection that is there, or a new one to the first member that will do.
    pub(super) async fn connection(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let _turn = self.opening.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let (mut worst, mut unused, mut tries) = (None, false, self.endpoints.len());
        while tries > 0 {
            tries -= 1;
            match self.open_next().await {
                Ok(Some(connection)) => return Ok(connection),
                // Somebody else's may be among the addresses by mistake: it is begun there only if no other one has our values.
                Ok(None) if !unused => (unused, tries) = (true, self.endpoints.len()),
                Ok(None) => {}
                // What somebody must mend is told before what may pass.
                Err(error) if worst.as_ref().is_none_or(StoreError::is_retryable) => worst = Some(error),
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or_else(|| StoreError::unavailable("etcd has no members")))
    }

    /// The next question goes to the next member, unless this connection is left behind already.
    pub(super) fn leave_after(&self, connection: &Connection, failure: &Failure) {
        if failure.is_the_members() {
            self.leave(connection);
        }
    }

    fn leave(&self, connection: &Connection) {
        let mut state = self.state.lock();
        if state.current.as_ref().is_some_and(|now| now.number == connection.number) {
            tracing::info!(address = connection.address(), "the next member of etcd is asked from now on");
            state.current = None;
        }
    }

    fn current(&self) -> Option<Connection> {
        self.state.lock().current.clone()
    }

    /// None: it has no values of ours, and another one may have.
    async fn open_next(&self) -> Result<Option<Connection>, StoreError> {
        let (number, address) = self.next()?;
        let opened = timeout(OPEN_MAX, self.open(Arc::clone(&address), number)).await;
        let opened = opened.unwrap_or_else(|_| Err(Failure::Other(no_answer(OPEN_MAX))));
        let mut state = self.state.lock();
        match opened {
            Ok(Some(connection)) => {
                state.current = Some(connection.clone());
                state.unused_since = None;
                Ok(Some(connection))
            }
            Ok(None) => {
                state.unused_since.get_or_insert(number);
                Ok(None)
            }
            Err(failure) => Err(named(&address, failure.into())),
        }
    }

    fn next(&self) -> Result<(u64, Arc<str>), StoreError> {
        let mut state = self.state.lock();
        let number = state.opened;
        state.opened += 1;
        let turn = usize::try_from(number).unwrap_or(0).checked_rem(self.endpoints.len());
        let address = turn.and_then(|turn| self.endpoints.get(turn)).map(Arc::clone);
        Ok((number, address.ok_or_else(|| StoreError::unavailable("etcd has no members"))?))
    }

    async fn open(&self, address: Arc<str>, number: u64) -> Result<Option<Connection>, Failure> {
        let connection = Connection::open(Arc::clone(&address), self.user.as_ref(), number).await?;
        let found = connection.cluster().await?;
        let (first, unused_since) = {
            let state = self.state.lock();
            (state.cluster.unwrap_or(found), state.unused_since)
        };
        if first != found {
            return Err(Failure::Other(StoreError::Foreign(format!(
                "the etcd at {address} is another etcd cluster ({found:x}) than the one that was used first ({first:x})"
            ))));
        }
        // By then every other address has had its turn.
        let round = u64::try_from(self.endpoints.len()).unwrap_or(u64::MAX);
        let may_begin = unused_since.is_some_and(|first| number - first >= round);
        if !connection.check_format(may_begin).await? {
            return Ok(None);
        }
        // Not before: an etcd that will not do must not keep the right one out.
        self.state.lock().cluster.get_or_insert(found);
        Ok(Some(connection))
    }
}

/// A question that waits for its answer. Callers have bounds of their own, and one that stops waiting has seen as much of a
/// member that is frozen as one that waits to the end.
struct Asked<'a> {
    connections: &'a Connections,
    connection: &'a Connection,
    since: Instant,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered && self.since.elapsed() >= PATIENCE {
            self.connections.leave(self.connection);
        }
    }
}

/// A member that did not do, with its address.
#[derive(Debug, thiserror::Error)]
#[error("etcd at {address} cannot be used")]
struct Unusable {
    address: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn named(address: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(source) => StoreError::unavailable(Unusable { address: address.to_owned(), source }),
        other => other,
    }
}

fn no_answer(within: Duration) -> StoreError {
    StoreError::unavailable(format!("there was no answer within {} s", within.as_secs()))
}
