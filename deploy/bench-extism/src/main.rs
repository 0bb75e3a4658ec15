//! One routing decision through Switchyard's host beside the same decision through Extism, in one run: CPU time of the whole
//! process, because both have a thread beside the caller's, and wall time. Every answer is compared with that of the strategy
//! linked natively, in the measured calls too.
//!
//! `cargo run --release --manifest-path deploy/bench-extism/Cargo.toml`, after `cargo xtask plugins`; what it said on a
//! described machine is in `docs/results/extism.md`.
//!
//! What this is not: part of the workspace, of its tests, or of what anybody installs. Start reading at [`main`], then
//! `decider.rs`.

mod cost;
mod decider;
mod guests;
mod life;
mod native;
mod ours;
mod peer;
mod question;
mod table;
mod versions;

use anyhow::{Result, ensure};

use crate::{
    cost::Cost,
    decider::{Decider, Order},
    guests::Guests,
    native::Native,
    ours::Ours,
    peer::{Extism, Form},
    question::Question,
};

/// Different questions; the calls go round them.
const QUESTIONS: usize = 1_024;
/// Calls of one round. As many for everybody, so that everybody is in the same state after it.
const CALLS: usize = 100_000;
/// Rounds; they take turns, so that all meet the same neighbours.
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let guests = Guests::build()?;
    let questions = question::some(QUESTIONS);
    let mut deciders: Vec<Box<dyn Decider>> = vec![
        Box::new(Native::new()?),
        Box::new(Ours::new(&guests.component)?),
        Box::new(Extism::new(&guests.extism, Form::Raw)?),
        Box::new(Extism::new(&guests.extism, Form::RawWithLimits)?),
        Box::new(Extism::new(&guests.extism, Form::Json)?),
    ];
    compare(&mut deciders, &questions)?;
    table::emit(&versions::describe()?);
    table::emit(&table::decisions(&decisions(&mut deciders, &questions, &guests)?));
    table::emit(&table::life(&life::measure(&guests)?));
    Ok(())
}

/// Whether all give the first one's answer to every question.
fn compare(deciders: &mut [Box<dyn Decider>], questions: &[Question]) -> Result<()> {
    for question in questions {
        let mut expected = None;
        for decider in &mut *deciders {
            let order = decider.decide(question)?;
            let expected = *expected.get_or_insert(order);
            ensure!(order == expected, "{}: {order:?}, and not {expected:?}", decider.name());
        }
    }
    Ok(())
}

/// What a call costs each, and what one that decides nothing costs Extism.
fn decisions(
    deciders: &mut [Box<dyn Decider>],
    questions: &[Question],
    guests: &Guests,
) -> Result<Vec<(&'static str, Vec<Cost>)>> {
    let mut nothing = Extism::new(&guests.extism, Form::Nothing)?;
    let mut costs: Vec<_> = deciders.iter().map(|decider| (decider.name(), Vec::new())).collect();
    costs.push((nothing.name(), Vec::new()));
    for _ in 0..ROUNDS {
        let mut answers = Vec::new();
        for (decider, (_, costs)) in deciders.iter_mut().zip(&mut costs) {
            let (cost, sum) = round(decider.as_mut(), questions)?;
            costs.push(cost);
            answers.push(sum);
        }
        ensure!(answers.windows(2).all(|pair| pair.first() == pair.last()), "somebody answered otherwise: {answers:?}");
        if let Some((_, costs)) = costs.last_mut() {
            costs.push(round(&mut nothing, questions)?.0);
        }
    }
    Ok(costs)
}

/// One round, and a sum over its answers in their order.
fn round(decider: &mut dyn Decider, questions: &[Question]) -> Result<(Cost, u64)> {
    let mut sum = 0_u64;
    let cost = Cost::of(CALLS, || {
        for question in questions.iter().cycle().take(CALLS) {
            sum = fold(sum, decider.decide(question)?);
        }
        Ok(())
    })?;
    Ok((cost, sum))
}

fn fold(sum: u64, order: Order) -> u64 {
    order.iter().fold(sum, |sum, backend| sum.wrapping_mul(31).wrapping_add(u64::from(*backend)))
}
