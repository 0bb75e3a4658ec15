//! The self-test of caching: a fixed corpus, seeded and the same everywhere, on throw-away instances. It runs on the
//! server before a plugin is published and on the node before the flip.

use std::collections::BTreeMap;

use super::{Budget, Caching, Decision, Entry, Event, EventKind, Resident, Unit};
use crate::{
    HostError, Strategy,
    corpus::{Random, State, call, nondeterministic},
    description::BATCH_MAX,
    instance::Instance,
    kind::Kind,
};

type Plugin = Instance<<Caching as Kind>::Calls>;

/// Requests of the main part.
const REQUESTS: u64 = 10_000;
/// Requests after an import, decided by two instances alike.
const REQUESTS_AFTER_IMPORT: u64 = 500;
/// Entries that the shard of the test holds.
const CAPACITY: u64 = 64;
/// Different ids that are asked for.
const IDS: u64 = 512;
/// Of the victims that a plugin names, one in so many may be unknown: a plugin cannot hear of a removal before its next
/// batch.
const VICTIMS_PER_UNKNOWN: u64 = 100;

/// Puts a strategy through the corpus.
pub(crate) fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
    boundaries(&mut fresh(strategy, seed, Unit::Bytes, 1 << 20)?)?;
    let mut twins = [fresh(strategy, seed, Unit::Entries, CAPACITY)?, fresh(strategy, seed, Unit::Entries, CAPACITY)?];
    let mut table = Table::new(CAPACITY);
    run(&mut twins, &mut table, REQUESTS)?;
    shrink(&mut twins, &mut table)?;
    table.check_victims()?;
    take_over(strategy, seed, &mut twins[0], &table)
}

fn fresh(strategy: &Strategy, seed: u64, unit: Unit, capacity: u64) -> Result<Plugin, HostError> {
    let mut instance = strategy.instance::<Caching>(seed)?;
    call("resize", instance.resize(Budget { unit, capacity }))?;
    call("adopt", instance.adopt(0, &[], true))?;
    Ok(instance)
}

/// Values at the ends of their ranges, in every combination.
fn boundaries(instance: &mut Plugin) -> Result<(), HostError> {
    call("observe", instance.observe(0, &[]))?;
    for id in [0, 1, u64::MAX] {
        for size in [0, 1, u32::MAX] {
            for ttl_ms in [None, Some(0), Some(u64::MAX)] {
                let key = Some(vec![0xff; 3]);
                let entry = Entry { id, namespace: u32::MAX, size, ttl_ms, key };
                call("store", instance.store(u64::MAX, &entry, &[]))?;
            }
        }
        for kind in [EventKind::Hit, EventKind::Miss, EventKind::Stored, EventKind::Removed] {
            call("observe", instance.observe(0, &[Event { id, namespace: 0, size: u32::MAX, kind }]))?;
        }
    }
    for capacity in [0, 1, u64::MAX] {
        for unit in [Unit::Entries, Unit::Bytes] {
            call("resize", instance.resize(Budget { unit, capacity }))?;
        }
        call("store", instance.store(1, &entry(7), &[]))?;
    }
    call("tick", instance.tick(1, super::Load::default()))
}

/// The same calls in the same order must give the same decisions.
fn run(twins: &mut [Plugin; 2], table: &mut Table, requests: u64) -> Result<(), HostError> {
    for now_ms in 0..requests {
        let Some(id) = table.request() else { continue };
        let [one, other] = twins;
        let decision = call("store", one.store(now_ms, &entry(id), &table.backlog))?;
        if call("store", other.store(now_ms, &entry(id), &table.backlog))? != decision {
            return Err(nondeterministic());
        }
        table.apply(id, &decision);
    }
    Ok(())
}

fn shrink(twins: &mut [Plugin; 2], table: &mut Table) -> Result<(), HostError> {
    table.capacity = CAPACITY / 2;
    for twin in twins.iter_mut() {
        call("resize", twin.resize(Budget { unit: Unit::Entries, capacity: table.capacity }))?;
    }
    run(twins, table, REQUESTS_AFTER_IMPORT)
}

/// Two successors that take over the same state and the same table go on alike.
fn take_over(strategy: &Strategy, seed: u64, old: &mut Plugin, table: &Table) -> Result<(), HostError> {
    let state = State::exported(strategy, old)?;
    let residents = table.residents();
    let successor = || -> Result<Plugin, HostError> {
        let mut instance = strategy.instance::<Caching>(seed)?;
        call("resize", instance.resize(Budget { unit: Unit::Entries, capacity: table.capacity }))?;
        state.import(&mut instance)?;
        let mut chunks = residents.chunks(BATCH_MAX as usize).peekable();
        while let Some(chunk) = chunks.next() {
            call("adopt", instance.adopt(REQUESTS, chunk, chunks.peek().is_none()))?;
        }
        Ok(instance)
    };
    let mut table = table.clone();
    table.forget_counts();
    run(&mut [successor()?, successor()?], &mut table, REQUESTS_AFTER_IMPORT)?;
    table.check_victims()
}

fn entry(id: u64) -> Entry {
    Entry { id, namespace: 0, size: 1, ttl_ms: None, key: Some(id.to_le_bytes().to_vec()) }
}

/// A shard as an engine keeps it, as plain as can be.
#[derive(Clone)]
struct Table {
    capacity: u64,
    /// Last access and hits by id.
    residents: BTreeMap<u64, (u64, u32)>,
    backlog: Vec<Event>,
    clock: u64,
    random: Random,
    victims: u64,
    unknown: u64,
}

impl Table {
    fn new(capacity: u64) -> Self {
        Self {
            capacity,
            residents: BTreeMap::new(),
            backlog: Vec::new(),
            clock: 0,
            random: Random::new(),
            victims: 0,
            unknown: 0,
        }
    }

    /// The next request; some: it is a miss, and this id asks to be kept.
    fn request(&mut self) -> Option<u64> {
        self.clock += 1;
        let random = self.random.draw();
        // Half of the requests go to an eighth of the ids.
        let id = if random & 1 == 0 { (random >> 8) % (IDS / 8) } else { (random >> 8) % IDS };
        if random.is_multiple_of(97) && self.residents.remove(&id).is_some() {
            self.push(id, EventKind::Removed);
            return None;
        }
        match self.residents.get_mut(&id) {
            Some((last_access, hits)) => {
                (*last_access, *hits) = (self.clock, *hits + 1);
                self.push(id, EventKind::Hit);
                None
            }
            None => {
                self.push(id, EventKind::Miss);
                self.trim();
                Some(id)
            }
        }
    }

    fn apply(&mut self, id: u64, decision: &Decision) {
        self.backlog.clear();
        self.victims += decision.victims.len() as u64;
        for victim in &decision.victims {
            if self.residents.remove(victim).is_none() {
                self.unknown += 1;
            }
        }
        if decision.admit {
            self.residents.insert(id, (self.clock, 0));
        }
        while self.residents.len() as u64 > self.capacity {
            let Some((evicted, _)) = self.residents.pop_first() else { break };
            self.push(evicted, EventKind::Removed);
        }
    }

    fn check_victims(&self) -> Result<(), HostError> {
        if self.unknown * VICTIMS_PER_UNKNOWN <= self.victims {
            return Ok(());
        }
        Err(HostError::SelfTest(format!(
            "{} of {} victims that the plugin named were not resident: it must forget what it was told is removed",
            self.unknown, self.victims
        )))
    }

    fn forget_counts(&mut self) {
        (self.victims, self.unknown) = (0, 0);
        self.backlog.clear();
    }

    /// Least recently used first.
    fn residents(&self) -> Vec<Resident> {
        let mut residents: Vec<_> = self
            .residents
            .iter()
            .map(|(id, (last_access, hits))| Resident {
                id: *id,
                namespace: 0,
                size: 1,
                ttl_ms: None,
                hits: *hits,
                last_access: *last_access,
            })
            .collect();
        residents.sort_unstable_by_key(|resident| resident.last_access);
        residents
    }

    fn push(&mut self, id: u64, kind: EventKind) {
        self.backlog.push(Event { id, namespace: 0, size: 0, kind });
    }

    /// A backlog has its bound here as in an engine; removals are what an instance must not miss.
    fn trim(&mut self) {
        let excess = self.backlog.len().saturating_sub(BATCH_MAX as usize);
        self.backlog.drain(..excess);
    }
}
