use anyhow::{Result, ensure};
use switchyard_host::Upkeep;

use crate::{
    cost::Cost,
    decider::Decider,
    guests::Guests,
    ours::{self, Ours},
    peer::{self, Extism, Form},
    question::{self, Question},
};

/// Compiling is slow, and a few tell enough.
const COMPILES: usize = 5;
/// Repeats of a step that takes microseconds.
const STEPS: usize = 200;
/// Decisions between two traps: ten failures in a thousand calls would be a quarantine.
const CALLS_BETWEEN_TRAPS: usize = 200;

/// What a step costs here and there.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) ours: Cost,
    pub(crate) extism: Cost,
}

/// A plugin's life beside its decisions.
pub(crate) fn measure(guests: &Guests) -> Result<Vec<Step>> {
    let questions = question::some(1);
    let [question] = &questions[..] else { unreachable!("one was asked for") };
    Ok(vec![compile(guests)?, instance(guests, question)?, trap(guests, question)?])
}

fn compile(guests: &Guests) -> Result<Step> {
    let host = ours::host()?;
    // Kept by its digest for as long as anybody holds it: each is dropped before the next.
    let ours = lowest(COMPILES, || Ok(drop(host.load(&guests.component)?)))?;
    let extism = lowest(COMPILES, || peer::compile(&guests.extism, Form::RawWithLimits).map(drop))?;
    Ok(Step { name: "from bytes to a compiled plugin", ours, extism })
}

fn instance(guests: &Guests, question: &Question) -> Result<Step> {
    let mut slot = Ours::new(&guests.component)?;
    let mut costs = Vec::new();
    for _ in 0..STEPS {
        slot.clear();
        costs.push(Cost::of(1, || {
            slot.swap()?;
            slot.decide(question).map(drop)
        })?);
    }
    let compiled = peer::compile(&guests.extism, Form::RawWithLimits)?;
    let extism = lowest(STEPS, || {
        let mut plugin = Extism::from_compiled(&compiled, Form::RawWithLimits)?;
        plugin.decide(question).map(drop)
    })?;
    Ok(Step { name: "from a compiled plugin to the first answer", ours: Cost::lowest(&costs), extism })
}

fn trap(guests: &Guests, question: &Question) -> Result<Step> {
    let mut slot = Ours::with_upkeep(&guests.trapping, Upkeep::Caller)?;
    let compiled = peer::compile(&guests.extism, Form::RawWithLimits)?;
    let mut plugin = Extism::from_compiled(&compiled, Form::RawWithLimits)?;
    let (mut ours, mut extism) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        for _ in 0..CALLS_BETWEEN_TRAPS {
            slot.decide(question)?;
        }
        ours.push(Cost::of(1, || slot.trap(question))?);
        // The next instance is there.
        slot.decide(question)?;
        extism.push(Cost::of(1, || {
            plugin.trap()?;
            plugin = Extism::from_compiled(&compiled, Form::RawWithLimits)?;
            Ok(())
        })?);
        ensure!(plugin.decide(question).is_ok(), "the new plugin does not answer");
    }
    Ok(Step {
        name: "a trap, and a new instance in its place",
        ours: Cost::lowest(&ours),
        extism: Cost::lowest(&extism),
    })
}

fn lowest(repeats: usize, mut step: impl FnMut() -> Result<()>) -> Result<Cost> {
    let costs = (0..repeats).map(|_| Cost::of(1, &mut step)).collect::<Result<Vec<_>>>()?;
    Ok(Cost::lowest(&costs))
}
