use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode, Url};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{client, payload::Payload, queue::Queue};
use crate::TelemetryError;

/// Attempts at one batch: with the pauses between them about a quarter of an hour.
const ATTEMPTS_MAX: u32 = 20;
/// The first pause after a failure; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Where changes of alerts are posted, in the shape of Alertmanager's webhook.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The address, `http` only.
    pub url: String,
    /// Whether it may lie on this machine or in a private network.
    pub internal: bool,
}

/// Posts what is in the queue, one batch after the other, in order.
#[derive(Debug)]
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    queue: Arc<Queue>,
    counters: Arc<WebhookCounters>,
    /// Told when less waits than before: that is worth saving.
    changed: Arc<Notify>,
}

/// What became of changes that the webhook was to be told.
#[derive(Debug, Default)]
pub(super) struct WebhookCounters {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retries: AtomicU64,
}

/// What came of one call.
enum Outcome {
    Taken,
    /// The receiver will never take it.
    Refused(String),
    /// It may the next time.
    Failed(String),
}

impl Webhook {
    pub(super) fn new(
        config: &WebhookConfig,
        queue: Arc<Queue>,
        counters: Arc<WebhookCounters>,
        changed: Arc<Notify>,
    ) -> Result<Self, TelemetryError> {
        let (client, url) = client::client(config)?;
        Ok(Self { client, url, queue, counters, changed })
    }

    /// Posts until `stop`. What then still waits is told after the next start, where it is saved; what was on its way then
    /// may be told twice.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let posting = async {
            loop {
                let batch = self.queue.next().await;
                let delivered = self.deliver(&Payload::of(&batch.changes)).await;
                self.queue.settle(&batch);
                let counter = if delivered { &self.counters.sent } else { &self.counters.failed };
                counter.fetch_add(batch.changes.len() as u64, Ordering::Relaxed);
                self.changed.notify_one();
            }
        };
        // The posting never ends by itself.
        let _: Option<()> = stop.run_until_cancelled(posting).await;
        let waiting = self.queue.len();
        if waiting > 0 {
            tracing::warn!(waiting, "changes of alerts still wait for the webhook: they are told after the next start");
        }
    }

    async fn deliver(&self, payload: &Payload) -> bool {
        for attempt in 0..ATTEMPTS_MAX {
            match self.call(payload).await {
                Outcome::Taken => return true,
                Outcome::Refused(reason) => {
                    tracing::error!(reason, "the webhook refused a notification, which is given up");
                    return false;
                }
                Outcome::Failed(reason) => {
                    self.counters.retries.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(reason, attempt, "the webhook could not be told; it is tried again");
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
        tracing::error!("the webhook could not be told for so long that a notification is given up");
        false
    }

    async fn call(&self, payload: &Payload) -> Outcome {
        match self.client.post(self.url.clone()).json(payload).send().await {
            Ok(response) => judge(response.status()),
            // Without the URL: its path may be the secret.
            Err(error) => Outcome::Failed(error.without_url().to_string()),
        }
    }
}

fn judge(status: StatusCode) -> Outcome {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    match status {
        status if status.is_success() => Outcome::Taken,
        status if status.is_server_error() || passing => Outcome::Failed(format!("it answered {status}")),
        // A redirect too: it would lead to an address that nobody has allowed.
        status => Outcome::Refused(format!("it answered {status}")),
    }
}

/// Twice as long each time, at random between half of it and all of it: nodes that lost the same receiver do not come
/// back together.
fn pause(attempt: u32) -> Duration {
    let full = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(attempt)).min(PAUSE_MAX);
    let mut random = [0; 1];
    // Without a random number the pause is merely the same for all.
    let _ = getrandom::fill(&mut random);
    full.mul_f64(0.5 + f64::from(random[0]) / 512.0)
}
