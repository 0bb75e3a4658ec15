//! First in, first out: reads change nothing.
use switchyard_sdk::caching::{Budget, Caching, Decision, Entry, Event, EventKind, Victims};
use switchyard_sdk::{export_caching, lifecycle::NoConfiguration, queues::Queues};

#[derive(Default)]
pub(crate) struct Fifo {
    capacity: u64,
    queue: Queues<(), 1>,
}

impl Caching for Fifo {
    type Configuration = NoConfiguration;
    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self::default())
    }
    fn resize(&mut self, budget: Budget) {
        self.capacity = budget.capacity;
    }
    fn store(&mut self, _now_ms: u64, entry: &Entry, victims: &mut Victims) -> Decision {
        self.queue.remove(entry.id);
        if u64::from(entry.size) > self.capacity {
            return Decision::REFUSE;
        }
        while self.queue.used(0) + u64::from(entry.size) > self.capacity && !victims.is_full() {
            let Some(oldest) = self.queue.pop_front(0) else { break };
            victims.push(oldest.id);
        }
        self.queue.push_back(0, entry.id, entry.size, ());
        Decision::ADMIT
    }
    fn event(&mut self, _now_ms: u64, event: &Event) {
        match event.kind {
            EventKind::Stored => self.queue.push_back(0, event.id, event.size, ()),
            EventKind::Removed => drop(self.queue.remove(event.id)),
            EventKind::Hit | EventKind::Miss => {}
        }
    }
}
export_caching!(Fifo);
