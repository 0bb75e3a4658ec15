use switchyard_sdk::{
    caching::{Budget, Caching, Decision, Entry, Event, EventKind, Resident, Victims, entries_expected},
    export_caching,
    lifecycle::Interests,
    queues::Queues,
};

use crate::{
    Configuration,
    policy::{HITS_MAX, Policy},
    state,
};

/// The strategy: one shard's three queues.
#[derive(Debug, Clone)]
pub struct S3Fifo {
    configuration: Configuration,
    policy: Policy,
    /// Residents told so far, between the first `adopt` and `adopted`.
    adopting: Queues<u8, 1>,
    /// Whether the queues come from an older instance's state, which knows how full they have been.
    imported: bool,
}

impl Caching for S3Fifo {
    type Configuration = Configuration;

    const INTERESTS: Interests = Interests::NONE.with_hits();
    const STATE_FORMAT: Option<&'static str> = Some(state::FORMAT);

    fn new(configuration: Configuration, _seed: u64) -> Result<Self, String> {
        configuration.check()?;
        let policy = Policy::new(&configuration);
        Ok(Self { configuration, policy, adopting: Queues::new(), imported: false })
    }

    fn resize(&mut self, budget: Budget) {
        self.policy.resize(&self.configuration, budget.capacity);
        // The ghost is about as long as the residents.
        self.policy.queues.reserve(entries_expected(budget) * 2);
    }

    fn store(&mut self, _now_ms: u64, entry: &Entry, victims: &mut Victims) -> Decision {
        if !self.policy.fits(entry.size) {
            self.policy.remove(entry.id);
            return Decision::REFUSE;
        }
        self.policy.enter(entry.id, entry.size, Some(victims));
        Decision::ADMIT
    }

    fn event(&mut self, _now_ms: u64, event: &Event) {
        match event.kind {
            EventKind::Hit => self.policy.hit(event.id),
            EventKind::Stored => self.policy.enter(event.id, event.size, None),
            EventKind::Removed => self.policy.remove(event.id),
            EventKind::Miss => {}
        }
    }

    fn adopt(&mut self, _now_ms: u64, resident: &Resident) {
        let hits = resident.hits.min(HITS_MAX.into()) as u8;
        self.adopting.push_back(0, resident.id, resident.size, hits);
    }

    fn adopted(&mut self, _now_ms: u64) {
        let residents = std::mem::take(&mut self.adopting);
        // A cache that holds something has been filled before: what comes now is judged by the small queue.
        self.policy.filling &= self.imported || residents.is_empty(0);
        self.policy.adopt(&residents);
    }

    fn export_state(&self) -> Vec<u8> {
        state::write(&self.policy)
    }

    fn import_state(&mut self, format: &str, bytes: &[u8]) -> Result<(), String> {
        if format != state::FORMAT {
            return Err(format!("the state has the format {format:?}: expected {:?}", state::FORMAT));
        }
        state::read(bytes, &mut self.policy)?;
        self.imported = true;
        Ok(())
    }
}

export_caching!(S3Fifo);
