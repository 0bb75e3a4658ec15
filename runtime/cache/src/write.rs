use crate::Value;

/// When a value that is written expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At this time of the cache's clock.
    AtMs(u64),
    /// When the value that it replaces would have.
    Keep,
}

/// What the key must be for a value to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Anything.
    Always,
    /// Absent.
    Absent,
    /// Present.
    Present,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// When it expires.
    pub expiry: Expiry,
    /// Where it is written at all.
    pub condition: Condition,
    /// Whether the older value is wanted.
    pub read_old: bool,
}

impl Write {
    /// A plain write.
    pub const PLAIN: Self = Self { expiry: Expiry::Never, condition: Condition::Always, read_old: false };
}

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// It was accepted (whether it is kept is the strategy's business), with the older value where that was asked for.
    Done(Option<Value>),
    /// The condition did not hold.
    Declined(Option<Value>),
    /// The value can never fit: it is larger than a shard's budget. Nothing was changed.
    TooLarge,
}

impl Condition {
    pub(crate) fn holds(self, present: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => !present,
            Self::Present => present,
        }
    }
}
