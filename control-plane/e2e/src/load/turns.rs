use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Gives out requests in order, and holds one back while an earlier one of the same key is under way.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug)]
struct State {
    next: usize,
    /// By connection: the request that is under way and its key.
    under_way: Vec<Option<(usize, u64)>>,
    waiting: usize,
}

impl Turns {
    pub(super) fn new(connections: usize) -> Self {
        let state = State { next: 0, under_way: vec![None; connections], waiting: 0 };
        Self { state: Mutex::new(state), done: Condvar::new() }
    }

    /// How many were given out.
    pub(super) fn taken(&self) -> usize {
        self.lock().next
    }

    /// The next request for this connection, by number and by its key as `key` says; none: there is none.
    pub(super) fn take(&self, connection: usize, key: impl Fn(usize) -> Option<u64>) -> Option<(usize, u64)> {
        let mut state = self.lock();
        let request = state.next;
        let key = key(request)?;
        state.next += 1;
        if let Some(place) = state.under_way.get_mut(connection) {
            *place = Some((request, key));
        }
        while state.under_way.iter().flatten().any(|(other, theirs)| *theirs == key && *other < request) {
            state.waiting += 1;
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        Some((request, key))
    }

    /// This connection's request is answered.
    pub(super) fn done(&self, connection: usize) {
        let mut state = self.lock();
        if let Some(place) = state.under_way.get_mut(connection) {
            *place = None;
        }
        if state.waiting > 0 {
            self.done.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use super::*;

    #[test]
    fn requests_of_one_key_never_overlap_and_keep_their_order() {
        const CONNECTIONS: usize = 8;
        const REQUESTS: usize = 20_000;
        let turns = Turns::new(CONNECTIONS);
        let last: Vec<_> = (0..5).map(|_| AtomicUsize::new(0)).collect();
        let key = |request: usize| (request < REQUESTS).then_some((request % 7 % 5) as u64);
        let run = |connection| {
            while let Some((request, key)) = turns.take(connection, key) {
                let before = last[key as usize].swap(request, Relaxed);
                assert!(before <= request, "{before} after {request}");
                assert_eq!(last[key as usize].load(Relaxed), request);
                turns.done(connection);
            }
        };
        thread::scope(|scope| {
            (0..CONNECTIONS).for_each(|connection| {
                scope.spawn(move || run(connection));
            });
        });
        assert_eq!(turns.taken(), REQUESTS);
    }
}
