use std::{sync::Arc, time::Instant};

use switchyard_host::{
    Host, KeyedHash, Upkeep,
    caching::{Budget, CacheTable, CachingSlot, Unit, Wants},
};

use crate::{
    CacheConfig, CacheError, CacheFigures, Condition, Expiry, SHARDS_MAX, Value, Write, Written,
    clock::Clock,
    figures::ServiceCounters,
    namespace_of,
    shard::{Room, Shard},
    shards::Shards,
    store::{self, Offer, Outcome, Stored},
    table::{ENTRY_OVERHEAD_BYTES, NEVER, Record, Slot},
};

/// Entries that a flush or a sweep takes in one hold of a shard's lock.
const TURN_ENTRIES: usize = 512;
/// Turns of one sweep of a shard: what is left waits for the next sweep.
const SWEEP_TURNS: usize = 64;

/// The cache: a handle on the shards and on the slot that decides for them. Methods never wait for a plugin, except that a
/// store asks it.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Arc<Shards<Record>>,
    slot: CachingSlot,
    hash: KeyedHash,
    counters: ServiceCounters,
    config: CacheConfig,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Cache {
    /// An empty cache that runs on its built-in eviction until its slot gets a strategy.
    pub fn new(host: &Host, config: CacheConfig) -> Result<Self, CacheError> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(CacheError::Random)?;
        let shards = config.shards.clamp(1, SHARDS_MAX);
        let shards = Arc::new(Shards::new(shards, config.budget, Clock::Machine(Instant::now())));
        let table: Arc<dyn CacheTable> = shards.clone();
        let slot = CachingSlot::new(host, Arc::downgrade(&table), shards.len(), Upkeep::Threads);
        let hash = KeyedHash::new(config.secret.unwrap_or(secret));
        Ok(Self { inner: Arc::new(Inner { shards, slot, hash, counters: ServiceCounters::default(), config }) })
    }

    /// Where strategies are swapped.
    pub fn slot(&self) -> &CachingSlot {
        &self.inner.slot
    }

    /// What it was made with.
    pub fn config(&self) -> &CacheConfig {
        &self.inner.config
    }

    /// What it may hold.
    pub fn budget(&self) -> Budget {
        Budget { unit: self.inner.shards.unit(), capacity: self.inner.shards.total_capacity() }
    }

    /// Changes what it may hold. A smaller budget is met within the next sweeps, a larger one at once.
    pub fn set_budget(&self, budget: Budget) -> Result<(), CacheError> {
        let has = self.inner.shards.unit();
        if has != budget.unit {
            return Err(CacheError::Unit { has, wanted: budget.unit });
        }
        self.inner.shards.set_capacity(budget.capacity);
        self.inner.slot.resize();
        Ok(())
    }

    /// What it has done, and what it holds.
    pub fn figures(&self) -> CacheFigures {
        let mut figures = CacheFigures::of(&self.inner.shards);
        self.inner.counters.fill(&mut figures);
        figures
    }

    pub(crate) fn counters(&self) -> &ServiceCounters {
        &self.inner.counters
    }

    /// Shards that it has.
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    /// Milliseconds of its monotonic clock: what every time here is measured on.
    pub fn now_ms(&self) -> u64 {
        self.inner.shards.clock().now_ms()
    }

    /// Reads a value.
    pub fn get(&self, now_ms: u64, key: &[u8]) -> Option<Value> {
        self.read(now_ms, key, Value::new)
    }

    /// Reads a value under the lock of its shard: what is small is copied faster than it is shared.
    #[inline]
    pub(crate) fn read<R>(&self, now_ms: u64, key: &[u8], read: impl FnOnce(&Record) -> R) -> Option<R> {
        let id = self.inner.hash.of(key);
        self.locked(id, |shard, wants| shard.read(wants, now_ms, id, key, read))
    }

    /// Looks at an entry without counting a read.
    pub(crate) fn peek<R>(&self, now_ms: u64, key: &[u8], peek: impl FnOnce(&Slot<Record>) -> R) -> Option<R> {
        let id = self.inner.hash.of(key);
        self.locked(id, |shard, wants| shard.peek(wants, now_ms, id, key).map(peek))
    }

    /// Whether a key is there.
    pub fn contains(&self, now_ms: u64, key: &[u8]) -> bool {
        self.peek(now_ms, key, |_| ()).is_some()
    }

    /// What is left of a key's time to live: none where there is no such key, `Some(None)` where it does not expire.
    pub fn ttl_ms(&self, now_ms: u64, key: &[u8]) -> Option<Option<u64>> {
        self.peek(now_ms, key, |slot| slot.ttl_ms(now_ms))
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&self, now_ms: u64, key: &[u8]) -> bool {
        let id = self.inner.hash.of(key);
        self.locked(id, |shard, wants| shard.delete(wants, now_ms, id, key))
    }

    /// Changes when a key expires, if `allowed` says so of the time at which it would now ([`u64::MAX`] for never). A time
    /// that has passed removes it. Returns whether anything was changed.
    pub fn expire(&self, now_ms: u64, key: &[u8], at_ms: u64, allowed: impl FnOnce(u64) -> bool) -> bool {
        let id = self.inner.hash.of(key);
        self.locked(id, |shard, wants| {
            let Some(position) = shard.live(wants, now_ms, id, key) else { return false };
            let current = shard.table.slot(position).map_or(NEVER, |slot| slot.expires_at_ms);
            if !allowed(current) {
                return false;
            }
            if at_ms > now_ms {
                shard.table.set_expiry(position, at_ms);
                return true;
            }
            let gone = shard.table.remove(position);
            shard.tell_removed(wants, gone.as_ref());
            true
        })
    }

    /// Whether a value of this size could ever be kept under this key.
    pub fn could_hold(&self, key: &[u8], value_bytes: usize) -> bool {
        let shard = self.inner.shards.shard_of(self.inner.hash.of(key));
        u64::from(self.size(key, value_bytes)) <= self.inner.shards.capacity(shard)
    }

    /// Writes a value.
    pub fn set(&self, now_ms: u64, key: &[u8], value: &[u8], write: Write) -> Written {
        if let Some(declined) = self.declines(now_ms, key, write) {
            return declined;
        }
        let ttl_ms = match write.expiry {
            Expiry::AtMs(at_ms) => Some(at_ms.saturating_sub(now_ms)),
            Expiry::Never => None,
            Expiry::Keep => self.ttl_ms(now_ms, key).flatten(),
        };
        let size = self.size(key, value.len());
        let always = write.read_old || write.condition != Condition::Always;
        let mut old = None;
        let outcome = self.store(now_ms, key, size, ttl_ms, always, |resident| {
            old = resident.filter(|_| write.read_old).map(|slot| Value::new(&slot.payload));
            let expires_at_ms = match write.expiry {
                Expiry::AtMs(at_ms) => at_ms,
                Expiry::Never => NEVER,
                Expiry::Keep => resident.map_or(NEVER, |slot| slot.expires_at_ms),
            };
            write.condition.holds(resident.is_some()).then(|| Stored {
                payload: Record::new(key, value),
                size,
                expires_at_ms,
            })
        });
        match outcome {
            Outcome::Stored | Outcome::Refused => Written::Done(old),
            Outcome::Declined => Written::Declined(old),
            Outcome::TooLarge => Written::TooLarge,
        }
    }

    /// A condition that does not hold is seen before the strategy is asked; one that ceases to hold meanwhile is seen under
    /// the lock.
    fn declines(&self, now_ms: u64, key: &[u8], write: Write) -> Option<Written> {
        if write.condition == Condition::Always {
            return None;
        }
        let old = self.peek(now_ms, key, |slot| write.read_old.then(|| Value::new(&slot.payload)));
        (!write.condition.holds(old.is_some())).then(|| Written::Declined(old.flatten()))
    }

    /// Reads, changes and writes a value in one step. `change` makes the new value from the old one; an error leaves
    /// everything as it is. It may run twice. The time to live stays.
    pub fn update<E>(
        &self,
        now_ms: u64,
        key: &[u8],
        mut change: impl FnMut(Option<&[u8]>) -> Result<Vec<u8>, E>,
    ) -> Result<Written, E> {
        let old = self.peek(now_ms, key, |slot| (Value::new(&slot.payload), slot.ttl_ms(now_ms)));
        let expected = change(old.as_ref().map(|(value, _)| &**value))?;
        let size = self.size(key, expected.len());
        let ttl_ms = old.and_then(|(_, ttl_ms)| ttl_ms);
        let mut failure = None;
        let outcome = self.store(now_ms, key, size, ttl_ms, true, |resident| {
            let value =
                change(resident.map(|slot| slot.payload.value())).map_err(|error| failure = Some(error)).ok()?;
            Some(Stored {
                payload: Record::new(key, &value),
                size: self.size(key, value.len()),
                expires_at_ms: resident.map_or(NEVER, |slot| slot.expires_at_ms),
            })
        });
        match (failure, outcome) {
            (Some(error), _) => Err(error),
            (None, Outcome::TooLarge) => Ok(Written::TooLarge),
            (None, _) => Ok(Written::Done(None)),
        }
    }

    fn store(
        &self,
        now_ms: u64,
        key: &[u8],
        size: u32,
        ttl_ms: Option<u64>,
        always: bool,
        prepare: impl FnOnce(Option<&Slot<Record>>) -> Option<Stored<Record>>,
    ) -> Outcome {
        let id = self.inner.hash.of(key);
        let offer = Offer { id, key, namespace: namespace_of(key), size, ttl_ms, always };
        let answer = store::store(&self.inner.shards, &self.inner.slot, now_ms, offer, prepare);
        if answer.batch_is_full {
            self.inner.slot.wake(answer.shard);
        }
        answer.outcome
    }

    /// Removes everything, in slices. A strategy is told between the slices, on the calling thread, so that it misses
    /// nothing: not for threads that serve clients.
    pub fn clear(&self) {
        for shard in 0..self.shards() {
            loop {
                let (more, told) = {
                    let mut locked = self.inner.shards.lock(shard);
                    let wants = self.inner.slot.wants();
                    locked.attend(wants);
                    (locked.clear(wants, TURN_ENTRIES), wants.batch > 0)
                };
                if told {
                    self.inner.slot.observe(shard);
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// Frees what has expired and what a smaller budget no longer holds: a bounded number of short turns.
    pub fn sweep(&self) {
        let now_ms = self.now_ms();
        for shard in 0..self.shards() {
            let room = Room { capacity: self.inner.shards.capacity(shard), size: 0, keep: None };
            for _ in 0..SWEEP_TURNS {
                let mut locked = self.inner.shards.lock(shard);
                let wants = self.inner.slot.wants();
                locked.attend(wants);
                let more = locked.expire(wants, now_ms, TURN_ENTRIES);
                let (_, fits) = locked.make_room(wants, now_ms, room, TURN_ENTRIES);
                let wake = locked.batch_is_full(wants);
                drop(locked);
                if wake {
                    self.inner.slot.wake(shard);
                }
                if !more && fits {
                    break;
                }
            }
        }
    }

    /// Runs `act` on the shard of this id, locked. What the strategy wants is read under the lock: a swap that has walked the
    /// shard's residents then misses nothing that happens after.
    #[inline]
    fn locked<R>(&self, id: u64, act: impl FnOnce(&mut Shard<Record>, Wants) -> R) -> R {
        let at = self.inner.shards.shard_of(id);
        let (answer, wake) = {
            let mut shard = self.inner.shards.lock(at);
            let wants = self.inner.slot.wants();
            shard.attend(wants);
            let answer = act(&mut shard, wants);
            (answer, shard.batch_is_full(wants))
        };
        if wake {
            self.inner.slot.wake(at);
        }
        answer
    }

    /// What an entry takes of the budget. What does not fit into 32 bits fits into no budget.
    fn size(&self, key: &[u8], value_bytes: usize) -> u32 {
        match self.inner.shards.unit() {
            Unit::Entries => 1,
            Unit::Bytes => {
                (key.len() as u64 + value_bytes as u64 + ENTRY_OVERHEAD_BYTES).try_into().unwrap_or(u32::MAX)
            }
        }
    }
}
