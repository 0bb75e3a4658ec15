use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    reconcile::{Reconciler, Wanted},
};

/// Drives the reconciler: when a plan has come, when the reconciler asked for it, and never twice at a time.
pub(crate) struct Agent {
    reconciler: Reconciler,
    plans: watch::Receiver<Option<Wanted>>,
    /// A plan that is still to be followed.
    pending: Option<Wanted>,
    /// How often in a row the disk has refused it.
    refusals: u32,
}

impl Agent {
    /// An agent for the newest of these plans. Their sender goes away when nobody is followed.
    pub(crate) fn new(reconciler: Reconciler, plans: watch::Receiver<Option<Wanted>>) -> Self {
        Self { reconciler, plans, pending: None, refusals: 0 }
    }

    /// Reconciles until shutdown. A step that has begun is finished.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let retry = self.follow().await;
            let look_ms = self.reconciler.reconcile().await;
            let now_ms = self.reconciler.shared.now_ms();
            let look = look_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)));
            let wait = retry.into_iter().chain(look).min();
            if shutdown.run_until_cancelled(self.idle(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Follows the pending plan. When the disk refuses it, it stays pending and is tried again after what is returned:
    /// acting on what is not on disk would leave a node that, started again, knows nothing of what it ran.
    async fn follow(&mut self) -> Option<Duration> {
        let plan = self.pending.take()?;
        match self.reconciler.follow(plan.clone()).await {
            Ok(()) => {
                self.refusals = 0;
                None
            }
            Err(error) => {
                tracing::error!(%error, "the desired state could not be written, and is not followed yet");
                self.pending = Some(plan);
                self.refusals = self.refusals.saturating_add(1);
                Some(Backoff::STORE.jittered(self.refusals))
            }
        }
    }

    /// Waits for a plan, at most as long as is said.
    async fn idle(&mut self, wait: Option<Duration>) {
        let heard = async {
            match self.plans.changed().await {
                Ok(()) => self.pending = self.plans.borrow_and_update().clone(),
                Err(_) => std::future::pending().await,
            }
        };
        match wait {
            Some(wait) => drop(tokio::time::timeout(wait, heard).await),
            None => heard.await,
        }
    }
}
