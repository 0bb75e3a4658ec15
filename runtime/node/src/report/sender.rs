use std::{sync::Arc, time::Duration};

use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use switchyard_types::{ReportAnswer, ReportBatch};

use tokio::time::timeout;

use super::{outbox::Outbox, spool::Progress};
use crate::{backoff::Backoff, causes::with_causes, config::Secret};

/// How long a server may take to accept a connection, and to answer.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often a node that has nothing to tell asks who leads: a new leader hears of it within that time what it still remembers.
const GREET_EVERY: Duration = Duration::from_secs(20);
/// Bytes of an answer: it has two numbers.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Why there is nobody to tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SenderError {
    #[error("{url:?} is not the address of a server")]
    Address { url: String },
    #[error("the HTTP client cannot start")]
    Client(#[from] reqwest::Error),
}

/// Tells the servers, one at a time: any of them passes it on to the one that leads.
pub(crate) struct Sender {
    http: Client,
    servers: Vec<Url>,
    token: Option<Secret>,
    outbox: Arc<Outbox>,
    /// Which of the servers is told.
    turn: usize,
    /// In a row.
    failures: u32,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the server cannot be reached")]
    Http(#[from] reqwest::Error),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("the server's answer is of another shape")]
    Answer(#[source] serde_json::Error),
    #[error("the server's answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the server took nothing")]
    NothingTaken,
}

impl Failed {
    /// Whether every server would say the same, however often it is asked: the batch itself is not to its liking.
    fn is_final(&self) -> bool {
        use StatusCode as S;
        matches!(self, Self::Status(S::BAD_REQUEST | S::PAYLOAD_TOO_LARGE | S::UNPROCESSABLE_ENTITY))
    }
}

impl Sender {
    /// A sender to these servers; none: there are none.
    pub(crate) fn new(
        servers: &[String],
        token: Option<Secret>,
        outbox: Arc<Outbox>,
    ) -> Result<Option<Self>, SenderError> {
        if servers.is_empty() {
            return Ok(None);
        }
        let address = |url: &String| {
            let parsed = Url::parse(&format!("{}/v1/reports", url.trim_end_matches('/')));
            parsed.map_err(|_| SenderError::Address { url: url.clone() })
        };
        let servers: Vec<Url> = servers.iter().map(address).collect::<Result<_, _>>()?;
        // A proxy of the environment would see the token, and so would whoever a redirect names.
        let http = Client::builder().connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX).no_proxy();
        let http = http.redirect(Policy::none()).build()?;
        // A fleet does not begin with the same server.
        let turn = getrandom::u32().map_or(0, |random| random as usize % servers.len());
        Ok(Some(Self { http, servers, token, outbox, turn, failures: 0 }))
    }

    /// Tells for ever.
    pub(crate) async fn run(&mut self) {
        loop {
            let next = timeout(GREET_EVERY, self.outbox.next()).await;
            let batch = next.unwrap_or_else(|_| self.outbox.greeting());
            if let Err(delay) = self.tell(&batch).await {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Tells what there is, as far as somebody listens now.
    pub(crate) async fn flush(&mut self) {
        while let Some(batch) = self.outbox.batch() {
            if self.tell(&batch).await.is_err() {
                return;
            }
        }
    }

    /// Tells one batch; where that fails, after which time the next server is to be tried.
    async fn tell(&mut self, batch: &ReportBatch) -> Result<(), Duration> {
        let failed = match self.send(batch).await {
            Ok(answer) => match self.outbox.answered(batch, answer) {
                Progress::Taken | Progress::Begun => {
                    self.failures = 0;
                    return Ok(());
                }
                Progress::None => Failed::NothingTaken,
            },
            Err(failed) => failed,
        };
        let error = with_causes(&failed);
        if failed.is_final() {
            tracing::error!(error, items = batch.items.len(), "a report was refused and is given up");
            self.outbox.give_up(batch);
            return Ok(());
        }
        let server = self.server().map(Url::as_str).unwrap_or_default().to_owned();
        if self.failures == 0 {
            tracing::warn!(server, error, "a report was not taken; it is kept, and tried again");
        } else {
            tracing::debug!(server, error, failures = self.failures, "a report was not taken");
        }
        self.turn = self.turn.wrapping_add(1);
        self.failures = self.failures.saturating_add(1);
        Err(Backoff::REPORT.full_jitter(self.failures))
    }

    async fn send(&self, batch: &ReportBatch) -> Result<ReportAnswer, Failed> {
        let Some(server) = self.server() else { return Err(Failed::NothingTaken) };
        let mut request = self.http.post(server.clone()).json(batch);
        if let Some(Secret(token)) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        if response.status() != StatusCode::OK {
            return Err(Failed::Status(response.status()));
        }
        serde_json::from_slice(&body(response).await?).map_err(Failed::Answer)
    }

    fn server(&self) -> Option<&Url> {
        self.servers.get(self.turn % self.servers.len().max(1))
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failed::TooLong);
        }
    }
    Ok(body)
}
