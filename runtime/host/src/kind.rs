use std::time::Duration;

use switchyard_types::Interests;
use wasmtime::{Store, component};

use crate::{CallError, HostError, Strategy, guest_state::GuestState, instance::Instance};

/// A hook that returns a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) name: &'static str,
    /// Somebody waits for the answer: measuring every call would cost more than some calls do.
    pub(crate) waited: bool,
}

impl Hook {
    /// One for which a caller waits.
    pub(crate) const fn waited(name: &'static str) -> Self {
        Self { name, waited: true }
    }

    /// One that is asked in batches, when nobody waits.
    pub(crate) const fn batched(name: &'static str) -> Self {
        Self { name, waited: false }
    }
}

/// What a kind of strategy gives to the machinery that all kinds share: its functions, its events, and how the truth is
/// read from its engine. A slot drains, tees, adopts, swaps and revives by these and nothing else.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The functions of its interface.
    type Calls: Send + 'static;
    /// What the engine's table offers to slots.
    type Table: ?Sized + Send + Sync + 'static;
    /// One thing that happened.
    type Event: Copy + Send + 'static;
    /// One thing that exists, for an instance that takes over.
    type Resident: Send + 'static;

    /// The hooks that return a decision; one is named by its place here.
    const ASKED: &'static [Hook];
    /// How long a caller waits for a shard that is busy, after a short spin; then the fallback decides. Zero where a decision is
    /// not worth waiting for.
    const WAIT_MAX: Duration = Duration::ZERO;

    /// Finds the functions in an instance and checks their types.
    fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self::Calls>;

    /// What an engine buffers for a strategy with these interests, as one word for an atomic; never 0. Two strategies' words
    /// are joined by `or`.
    fn wants(interests: &Interests) -> u64;

    /// Puts a strategy through the kind's corpus, on throw-away instances.
    fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError>;

    /// The engine's clock, in milliseconds.
    fn now_ms(table: &Self::Table) -> u64;

    /// Moves buffered events out of a shard of the table, in order.
    fn drain(table: &Self::Table, shard: usize, max: usize, into: &mut Vec<Self::Event>);

    /// One slice of what exists in a shard; see the table's own documentation.
    fn residents(
        table: &Self::Table,
        shard: usize,
        cursor: Option<usize>,
        into: &mut Vec<Self::Resident>,
    ) -> Option<usize>;

    /// Puts residents in the order of adoption and drops what was seen twice.
    fn order(residents: &mut Vec<Self::Resident>);

    /// Tells a new instance what it must know before anything else; for caching its budget.
    fn settle(instance: &mut Instance<Self::Calls>, table: &Self::Table, shard: usize) -> Result<(), CallError>;

    /// Delivers a batch.
    fn observe(instance: &mut Instance<Self::Calls>, now_ms: u64, events: &[Self::Event]) -> Result<(), CallError>;

    /// Delivers residents.
    fn adopt(
        instance: &mut Instance<Self::Calls>,
        now_ms: u64,
        residents: &[Self::Resident],
        last: bool,
    ) -> Result<(), CallError>;

    /// Lets time pass.
    fn tick(
        instance: &mut Instance<Self::Calls>,
        now_ms: u64,
        interests: &Interests,
        table: &Self::Table,
        shard: usize,
    ) -> Result<(), CallError>;

    /// Tells the table that another instance decides from now on. Most kinds keep nothing that depends on who decided.
    fn took_over(_: &Self::Table, _: usize) {}

    /// Slices that are due after a tick.
    fn slices(_: &Interests) -> usize {
        0
    }

    /// One slice of work that nobody waits for and that is too long for one hold of the shard; none: there is nothing to do.
    /// `due` is what is left of those that the last tick has made due.
    fn slice<'a>(_: &'a Self::Table, _: usize, _: &Interests, _: &mut usize) -> Option<Slice<'a, Self::Calls>> {
        None
    }
}

/// A call of an instance, at this time of the engine.
pub(crate) type Slice<'a, C> = Box<dyn FnOnce(&mut Instance<C>, u64) -> Result<(), CallError> + 'a>;
