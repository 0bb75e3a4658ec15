use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::{ConfigStore, LeaseId, StoreError, backoff::delay};

/// How long asking for a lease, or giving one back, may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A lease is kept alive at each of so many parts of its life: one request may be lost, and a second one be late.
const PARTS: u32 = 3;
/// After a request that has failed, the next one waits for such a part of a life at most.
const PARTS_AFTER_FAILURE: u32 = 12;

/// Holds a lease alive, and gets another one after it was lost. Dropping it gives the lease back, if the store can be
/// reached and the runtime lives on; [`LeaseKeeper::shutdown`] waits for that.
pub struct LeaseKeeper {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

struct Shared {
    store: Arc<dyn ConfigStore>,
    ttl: Duration,
    term: Mutex<Option<Term>>,
    lease: watch::Sender<Option<LeaseId>>,
}

impl LeaseKeeper {
    /// Begins at once; the first lease is there when the store has answered. `ttl` is in whole seconds, and a store that does
    /// not take it never gives one.
    pub fn start(store: Arc<dyn ConfigStore>, ttl: Duration) -> Self {
        let lease = watch::Sender::new(None);
        let shared = Arc::new(Shared { store, ttl, term: Mutex::default(), lease });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(Arc::clone(&shared), stopped));
        Self { shared, stop: Some(stop), task }
    }

    /// The lease, while it may be believed to live. That is decided by our own clock: it counts from before the last request
    /// that was answered, so it is over here before it can be over in the store, also when this process was stopped
    /// meanwhile and nobody has noticed yet.
    pub fn lease(&self) -> Option<LeaseId> {
        let now = Instant::now();
        self.shared.term.lock().as_ref().filter(|term| term.is_believed(now)).map(|term| term.lease)
    }

    /// Tells when there is another lease, or none.
    pub fn changes(&self) -> watch::Receiver<Option<LeaseId>> {
        self.shared.lease.subscribe()
    }

    /// Gives the lease back, and waits until that is done or the store does not answer.
    pub async fn shutdown(mut self) {
        self.stop = None;
        if (&mut self.task).await.is_err() {
            tracing::warn!("the keeper of a lease has ended before");
        }
    }
}

async fn run(shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        _ = stopped => {}
        () = keep(&shared) => {}
    }
    let term = shared.term.lock().take();
    shared.lease.send_replace(None);
    if let Some(term) = term {
        // If this fails it ends by itself.
        let _ = timeout(ANSWER_MAX, shared.store.revoke(term.lease)).await;
    }
}

/// One lease after the other, for ever.
async fn keep(shared: &Shared) {
    let mut failures = 0_u32;
    loop {
        let asked = Instant::now();
        let error = match timeout(ANSWER_MAX, shared.store.lease(shared.ttl)).await {
            Ok(Ok(lease)) => {
                failures = 0;
                hold(shared, Term::new(lease, shared.ttl, asked)).await;
                "it was lost".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        failures = failures.saturating_add(1);
        let delay = delay(failures);
        tracing::warn!(error, ?delay, "there is no lease");
        sleep(delay).await;
    }
}

/// Until the lease may not be believed any more.
async fn hold(shared: &Shared, mut term: Term) {
    loop {
        *shared.term.lock() = Some(term);
        shared.lease.send_if_modified(|now| now.replace(term.lease) != Some(term.lease));
        sleep_until(term.next).await;
        let asked = Instant::now();
        let answered = timeout_at(term.answer_by(asked), shared.store.keep_alive(term.lease)).await;
        let ended = matches!(answered, Ok(Err(StoreError::LeaseEnded)));
        term.asked(asked, matches!(answered, Ok(Ok(()))), Instant::now());
        if ended || !term.is_believed(Instant::now()) {
            *shared.term.lock() = None;
            shared.lease.send_replace(None);
            return;
        }
    }
}

/// A lease as its holder may believe in it. Pure: the clock is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    lease: LeaseId,
    ttl: Duration,
    /// Believed until then.
    until: Instant,
    /// When the store is asked next.
    next: Instant,
}

impl Term {
    /// A lease that was asked for at `asked`: the store began to count later than that.
    fn new(lease: LeaseId, ttl: Duration, asked: Instant) -> Self {
        Self { lease, ttl, until: asked + ttl, next: asked + ttl / PARTS }
    }

    fn is_believed(&self, now: Instant) -> bool {
        now < self.until
    }

    /// By when a request that begins at `asked` must be answered: so early that there is time for another one.
    fn answer_by(&self, asked: Instant) -> Instant {
        self.until.min(asked + self.ttl / PARTS)
    }

    /// Notes what came of a request to keep it alive.
    fn asked(&mut self, asked: Instant, kept: bool, now: Instant) {
        if kept {
            *self = Self::new(self.lease, self.ttl, asked);
        } else {
            let pause = (self.ttl / PARTS_AFTER_FAILURE).mul_f64(0.5 + fastrand::f64() / 2.0);
            self.next = self.until.min(now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_is_believed_from_before_the_request_that_was_answered() {
        let start = Instant::now();
        let mut term = Term::new(LeaseId(7), 9 * SECOND, start);
        assert_eq!((term.next, term.until), (start + 3 * SECOND, start + 9 * SECOND));
        assert!(term.is_believed(start + 8 * SECOND) && !term.is_believed(start + 9 * SECOND));
        // Asked at 3 s, answered at 5 s: the store counts from somewhere between, so 3 s is what is safe.
        term.asked(start + 3 * SECOND, true, start + 5 * SECOND);
        assert_eq!((term.next, term.until), (start + 6 * SECOND, start + 12 * SECOND));
    }

    #[test]
    fn failures_shorten_the_pause_and_never_the_belief() {
        let start = Instant::now();
        let mut term = Term::new(LeaseId(7), 12 * SECOND, start);
        for n in 4..12 {
            let now = start + n * SECOND;
            assert_eq!(term.answer_by(now), (now + 4 * SECOND).min(start + 12 * SECOND));
            term.asked(now, false, now);
            assert!(term.next > now && term.next <= now + SECOND, "{n}");
            assert_eq!(term.until, start + 12 * SECOND);
        }
        term.asked(start + 11 * SECOND, false, start + 12 * SECOND);
        assert!(term.next <= start + 12 * SECOND, "the end is seen when it comes");
    }
}
