use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use switchyard_types::ErrorCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::problem::Problem;

/// Lets a few in at once, lets some more wait, and turns the rest away.
pub(crate) struct Gate {
    what: &'static str,
    inside: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl Gate {
    pub(crate) fn new(what: &'static str, inside_max: usize, waiting_max: usize) -> Self {
        Self { what, inside: Arc::new(Semaphore::new(inside_max)), waiting: AtomicUsize::new(0), waiting_max }
    }

    /// A permit, at once or after waiting in order.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(permit) = Arc::clone(&self.inside).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = self.wait()?;
        Arc::clone(&self.inside).acquire_owned().await.map_err(Problem::internal)
    }

    fn wait(&self) -> Result<Place<'_>, Problem> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.waiting_max {
            return Ok(place);
        }
        Err(Problem::new(ErrorCode::Busy, format_args!("{} at once; try again in a moment", self.what)))
    }
}

/// Given back also when the caller goes away while it waits.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets at most so many through in any second: a tenth of them at once, the others evenly.
pub(crate) struct Pace {
    at_once: f64,
    per_second: f64,
    /// How many may pass now, and when that was counted.
    free: Mutex<(f64, Instant)>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let at_once = (f64::from(per_second) / 10.0).max(1.0);
        Self { at_once, per_second: f64::from(per_second) - at_once, free: Mutex::new((at_once, Instant::now())) }
    }

    /// Whether one may pass now.
    pub(crate) fn try_pass(&self) -> bool {
        let mut free = self.free.lock();
        let now = Instant::now();
        let earned = now.duration_since(free.1).as_secs_f64() * self.per_second;
        *free = ((free.0 + earned).min(self.at_once), now);
        let passes = free.0 >= 1.0;
        if passes {
            free.0 -= 1.0;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_kept_over_any_second() {
        let pace = Pace::new(50);
        let passed = || (0..200).filter(|_| pace.try_pass()).count();
        assert_eq!((passed(), passed()), (5, 0));
        let mut later = 0;
        for _ in 0..10 {
            tokio::time::advance(std::time::Duration::from_millis(100)).await;
            later += passed();
        }
        assert!((44..=45).contains(&later), "{later}");
        tokio::time::advance(std::time::Duration::from_secs(100)).await;
        assert_eq!(passed(), 5);
    }

    #[tokio::test]
    async fn a_full_gate_lets_wait_and_then_turns_away() {
        let gate = Arc::new(Gate::new("too many tests", 1, 1));
        let inside = gate.enter().await.unwrap();
        let waiter = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.is_ok() }
        });
        while gate.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let turned_away = gate.enter().await.unwrap_err();
        assert_eq!(turned_away.public.code, ErrorCode::Busy);
        drop(inside);
        assert!(waiter.await.unwrap());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
        drop(gate.enter().await.unwrap());
    }
}
