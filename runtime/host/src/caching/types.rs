use wasmtime::component::{ComponentType, Lower};

/// Victims that one decision may name.
pub const VICTIMS_MAX: usize = 1_024;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Unit {
    /// Every entry takes 1.
    #[component(name = "entries")]
    Entries,
    /// An entry takes its key, its value and the table's overhead.
    #[component(name = "bytes")]
    Bytes,
}

/// What one shard may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Budget {
    /// What is counted.
    pub unit: Unit,
    /// How much.
    pub capacity: u64,
}

/// An entry that asks to be kept.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Entry {
    /// Keyed hash of the key.
    pub id: u64,
    /// Its namespace.
    pub namespace: u32,
    /// In the budget's unit.
    pub size: u32,
    /// As asked, in milliseconds.
    #[component(name = "ttl-ms")]
    pub ttl_ms: Option<u64>,
    /// The key's bytes, where [`Wants::keys`] is on.
    pub key: Option<Vec<u8>>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum EventKind {
    /// A resident was read.
    #[component(name = "hit")]
    Hit,
    /// Something absent was asked for.
    #[component(name = "miss")]
    Miss,
    /// The engine keeps an entry that the instance was not asked about.
    #[component(name = "stored")]
    Stored,
    /// A resident is gone for a reason other than the instance's victims.
    #[component(name = "removed")]
    Removed,
}

/// One thing that happened in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Event {
    /// Of the entry.
    pub id: u64,
    /// Of the entry.
    pub namespace: u32,
    /// In the budget's unit; 0 for `Miss` and `Removed`.
    pub size: u32,
    /// What happened.
    pub kind: EventKind,
}

/// What the plugin said, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the entry is kept at all.
    pub admit: bool,
    /// Whether it is kept in memory.
    pub memory: bool,
    /// Shortened time to live, in milliseconds; none: as asked.
    pub ttl_ms: Option<u64>,
    /// A hint for tiers that can compress.
    pub compress: bool,
    /// To remove before the entry enters, at most [`VICTIMS_MAX`].
    pub victims: Vec<u64>,
}

/// An entry of the table, for an instance that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Keyed hash of the key.
    pub id: u64,
    /// Its namespace.
    pub namespace: u32,
    /// In the budget's unit.
    pub size: u32,
    /// What is left, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// Reads since it was stored.
    pub hits: u32,
    /// A stamp that grows with every access of the shard: residents are adopted in its order.
    pub last_access: u64,
}

/// A shard since the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Reads.
    pub requests: u64,
    /// Reads that found something.
    pub hits: u64,
    /// Residents now.
    pub entries: u64,
    /// What they take, in the budget's unit.
    pub used: u64,
}

/// What the active strategy wants to be told: the engine buffers nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// Events of reads that found something.
    pub hits: bool,
    /// Events of reads that did not.
    pub misses: bool,
    /// The key's bytes in [`Entry::key`].
    pub keys: bool,
    /// How many events make a batch; 0: no strategy is active and nothing is buffered.
    pub batch: usize,
}
