use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

use crate::HostError;

/// The grain of every budget: a call stops within its budget and two of these.
const TICK: Duration = Duration::from_millis(1);
/// A node at rest should cost nothing: after so many ticks without a call the ticker sleeps until the next one.
const IDLE_TICKS_MAX: u32 = 100;
/// A sleeping ticker looks up so often even if nobody woke it.
const PARKED_MAX: Duration = Duration::from_millis(100);

/// Advances the engines' epochs. It has a thread of its own, because a ticker among the tasks of an async runtime is
/// starved by the very load it must interrupt, and weak references, so that it ends with the engines.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    called: AtomicBool,
    parked: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engines: &[&Engine]) -> Result<Self, HostError> {
        let shared = Arc::new(Shared::default());
        let engines: Vec<_> = engines.iter().map(|engine| engine.weak()).collect();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("switchyard-tick".into())
            .spawn(move || run(&engines, &theirs))
            .map_err(|error| HostError::Machine(format!("the ticker thread cannot be started: {error}")))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Says that a call begins, or still runs. Two loads of memory that hardly ever changes.
    #[inline]
    pub(crate) fn notice_call(&self) {
        if !self.shared.called.load(SeqCst) {
            self.shared.called.store(true, SeqCst);
        }
        if self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
    }
}

fn run(engines: &[EngineWeak], shared: &Shared) {
    let mut idle_ticks = 0;
    loop {
        thread::sleep(TICK);
        let mut ticked = false;
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
            ticked = true;
        }
        if !ticked {
            return;
        }
        idle_ticks = if shared.called.swap(false, SeqCst) { 0 } else { idle_ticks + 1 };
        if idle_ticks >= IDLE_TICKS_MAX {
            park(shared);
        }
    }
}

fn park(shared: &Shared) {
    shared.parked.store(true, SeqCst);
    // A call that began before `parked` was up has left its mark here; one that begins after sees `parked`.
    if !shared.called.load(SeqCst) {
        thread::park_timeout(PARKED_MAX);
    }
    shared.parked.store(false, SeqCst);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use serde_json::json;
    use switchyard_types::Limits;

    use super::*;
    use crate::{CallError, Host, HostError, support};

    /// How many of the looks at the ticker, one a millisecond, found it parked while `run` ran.
    fn parked_during(host: &Host, run: impl FnOnce()) -> (u32, u32) {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let (mut parked, mut looks) = (0, 0);
                while !done.load(SeqCst) {
                    parked += u32::from(host.ticker().shared.parked.load(SeqCst));
                    looks += 1;
                    thread::sleep(TICK);
                }
                (parked, looks)
            });
            run();
            done.store(true, SeqCst);
            watch.join().expect("it watched")
        })
    }

    #[test]
    fn a_lone_call_of_a_second_is_ticked_all_the_while() {
        let host = support::host();
        let looping = support::plugin(&host, "loop-configure");
        assert!(support::came(|| host.ticker().shared.parked.load(SeqCst)), "nobody calls");
        let (parked, looks) = parked_during(&host, || {
            let error = looping.strategy(&json!({}), Limits::DEFAULT).expect_err("it loops");
            let HostError::Call { source, .. } = error else { panic!("{error}") };
            assert_eq!(source, CallError::BudgetExceeded { budget_us: Limits::DEFAULT.lifecycle_call_us });
        });
        // Not none: it wakes up only when the call begins, and a call that gets no processor for 100 ms is no call to it.
        assert!(parked < looks / 2, "parked in {parked} of {looks} looks");
    }
}
