use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{LeaseId, Operation, StoreError, Transaction};

/// Leases at once: one for each node and server, with room.
const LEASES_MAX: usize = 100_000;

/// The leases of an embedded store, and what is bound to them. They live as long as the process does: opening the store
/// again ends them all.
#[derive(Default)]
pub(crate) struct Leases {
    live: BTreeMap<LeaseId, Lease>,
    keys: BTreeMap<String, LeaseId>,
}

struct Lease {
    ttl: Duration,
    ends_at: Instant,
    /// Its keys are being taken away.
    is_ending: bool,
}

impl Lease {
    fn is_alive(&self, now: Instant) -> bool {
        !self.is_ending && self.ends_at > now
    }
}

impl Leases {
    pub(crate) fn grant(&mut self, id: LeaseId, ttl: Duration, now: Instant) -> Result<(), StoreError> {
        if self.live.len() >= LEASES_MAX {
            return Err(StoreError::Invalid(format!("there are {LEASES_MAX} leases, which is the most")));
        }
        self.live.insert(id, Lease { ttl, ends_at: now + ttl, is_ending: false });
        Ok(())
    }

    pub(crate) fn keep_alive(&mut self, id: LeaseId, now: Instant) -> Result<(), StoreError> {
        // One that is over may still be here for a moment: it is not brought back.
        let lease = self.live.get_mut(&id).filter(|lease| lease.is_alive(now)).ok_or(StoreError::LeaseEnded)?;
        lease.ends_at = now + lease.ttl;
        Ok(())
    }

    /// Whether every lease that a transaction names is alive.
    pub(crate) fn check(&self, transaction: &Transaction, now: Instant) -> Result<(), StoreError> {
        let alive = |id: &LeaseId| self.live.get(id).is_some_and(|lease| lease.is_alive(now));
        let all = transaction.operations.iter().all(|operation| match operation {
            Operation::Put { lease: Some(lease), .. } => alive(lease),
            Operation::Put { lease: None, .. } | Operation::Delete { .. } => true,
        });
        if all { Ok(()) } else { Err(StoreError::LeaseEnded) }
    }

    /// Notes what a transaction that was applied has bound, and what it has freed.
    pub(crate) fn note(&mut self, transaction: &Transaction) {
        for operation in &transaction.operations {
            match operation {
                Operation::Put { key, lease: Some(lease), .. } => self.keys.insert(key.clone(), *lease),
                Operation::Put { key, lease: None, .. } | Operation::Delete { key } => self.keys.remove(key),
            };
        }
    }

    /// Those that are over.
    pub(crate) fn over(&self, now: Instant) -> Vec<LeaseId> {
        self.live.iter().filter(|(_, lease)| !lease.is_alive(now)).map(|(id, _)| *id).collect()
    }

    /// What is bound to these.
    pub(crate) fn keys_of(&self, ended: &[LeaseId]) -> Vec<String> {
        self.keys.iter().filter(|(_, lease)| ended.contains(lease)).map(|(key, _)| key.clone()).collect()
    }

    /// Nobody keeps these any more, though their keys are still there.
    pub(crate) fn expire(&mut self, ending: &[LeaseId]) {
        for id in ending {
            if let Some(lease) = self.live.get_mut(id) {
                lease.is_ending = true;
            }
        }
    }

    /// Ends these, after their keys are gone.
    pub(crate) fn end(&mut self, ended: &[LeaseId]) {
        self.keys.retain(|_, lease| !ended.contains(lease));
        self.live.retain(|id, _| !ended.contains(id));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}
