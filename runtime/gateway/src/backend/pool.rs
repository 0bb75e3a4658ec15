use parking_lot::Mutex;

use super::Http1;

/// Unused connections to a backend. The last one used is the first one taken: the others grow old and are closed.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Debug, Default)]
struct Idle {
    #[expect(clippy::vec_box, reason = "a connection is large, and moves between here and its answer as it is")]
    connections: Vec<Box<Http1>>,
    max: usize,
    closed: bool,
}

impl Pool {
    pub(super) fn set_idle_max(&self, max: usize) {
        let surplus = {
            let mut idle = self.0.lock();
            idle.max = max;
            let surplus = idle.connections.len().saturating_sub(max);
            idle.connections.drain(..surplus).collect::<Vec<_>>()
        };
        // Closing takes system calls: after the lock.
        drop(surplus);
    }

    pub(super) fn take(&self) -> Option<Box<Http1>> {
        self.0.lock().connections.pop()
    }

    pub(super) fn put(&self, connection: Box<Http1>) {
        let mut idle = self.0.lock();
        if idle.closed || idle.connections.len() >= idle.max {
            drop(idle);
            drop(connection);
            return;
        }
        idle.connections.push(connection);
    }

    /// Closes what was not used since `before_ms`. The oldest lie in front.
    pub(super) fn sweep(&self, before_ms: u64) {
        let old = {
            let mut idle = self.0.lock();
            let keep = idle.connections.iter().position(|one| one.idle_since_ms >= before_ms);
            let old = keep.unwrap_or(idle.connections.len());
            idle.connections.drain(..old).collect::<Vec<_>>()
        };
        drop(old);
    }

    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut self.0.lock().connections);
        drop(all);
    }

    pub(super) fn close(&self) {
        self.0.lock().closed = true;
        self.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().connections.len()
    }
}
