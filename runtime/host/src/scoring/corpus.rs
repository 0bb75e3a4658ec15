//! The self-test of scoring: a fixed corpus, seeded and the same everywhere, on throw-away instances.

use super::{Column, Load, Resident, Score, Scoring, Table, Texts, Values};
use crate::{
    HostError, Strategy,
    corpus::{Random, State, call, nondeterministic},
    description::BATCH_MAX,
    instance::Instance,
    kind::Kind,
};

type Plugin = Instance<<Scoring as Kind>::Calls>;

/// Scores of the main part.
const ROUNDS: u64 = 500;
/// Scores after an import, given by two instances alike.
const ROUNDS_AFTER_IMPORT: u64 = 50;
/// Milliseconds between two.
const PERIOD_MS: u64 = 15_000;

/// Puts a strategy through the corpus.
pub(crate) fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
    boundaries(&mut fresh(strategy, seed)?)?;
    let mut twins = [fresh(strategy, seed)?, fresh(strategy, seed)?];
    let mut random = Random::new();
    let mut scores = Vec::new();
    for round in 0..ROUNDS {
        scores = score(&mut twins, round * PERIOD_MS, &mut random)?;
    }
    take_over(strategy, seed, &mut twins[0], &residents(&scores), random)
}

fn fresh(strategy: &Strategy, seed: u64) -> Result<Plugin, HostError> {
    let mut instance = strategy.instance::<Scoring>(seed)?;
    call("adopt", instance.adopt(0, &[], true))?;
    Ok(instance)
}

/// Values at the ends of their ranges, tables without rows, names that nobody knows.
fn boundaries(instance: &mut Plugin) -> Result<(), HostError> {
    call("score", instance.score(0, &[]))?;
    call("score", instance.score(0, &[Table { name: "service".into(), columns: Vec::new() }]))?;
    for extreme in [0.0, -1.0, 1.0, f64::MAX, f64::MIN] {
        let columns = vec![
            Column { name: "error_ratio".into(), values: Values::F64s(vec![extreme]) },
            Column { name: "response_seconds".into(), values: Values::S64s(vec![i64::MIN]) },
            Column { name: String::new(), values: Values::Texts(Texts::default()) },
        ];
        let tables = ["service", "unheard-of"].map(|name| Table { name: name.into(), columns: columns.clone() });
        call("score", instance.score(u64::MAX, &tables))?;
    }
    let resident = Resident { scope: "\u{fffd}".into(), value: 100.0, at_ms: u64::MAX };
    call("adopt", instance.adopt(0, &[resident], true))?;
    call("tick", instance.tick(u64::MAX, Load::default()))
}

/// The same calls in the same order must give the same decisions.
fn score(twins: &mut [Plugin; 2], now_ms: u64, random: &mut Random) -> Result<Vec<Score>, HostError> {
    let base = random.draw();
    let share = |bit: u64| (base >> bit & 0xffff) as f64 / 65_536.0;
    let column = |name: &str, value| Column { name: name.into(), values: Values::F64s(vec![value]) };
    let table = Table {
        name: "service".into(),
        columns: vec![
            column("response_seconds", share(0) * 20.0),
            column("error_ratio", share(8)),
            column("cache_hit_ratio", share(16)),
            column("cpu_utilization", share(24)),
            column("memory_utilization", share(32)),
        ],
    };
    let [one, other] = twins.each_mut().map(|twin| twin.score(now_ms, std::slice::from_ref(&table)));
    let scores = call("score", one)?;
    match scores == call("score", other)? {
        true => Ok(scores),
        false => Err(nondeterministic()),
    }
}

fn residents(scores: &[Score]) -> Vec<Resident> {
    let at_ms = ROUNDS * PERIOD_MS;
    let resident = |score: &Score| Some(Resident { scope: score.scope.clone(), value: score.value?, at_ms });
    scores.iter().filter_map(resident).take(BATCH_MAX as usize).collect()
}

/// Two successors that take over the same state and the same scores go on alike.
fn take_over(
    strategy: &Strategy,
    seed: u64,
    old: &mut Plugin,
    residents: &[Resident],
    mut random: Random,
) -> Result<(), HostError> {
    let state = State::exported(strategy, old)?;
    let successor = || -> Result<Plugin, HostError> {
        let mut instance = strategy.instance::<Scoring>(seed)?;
        state.import(&mut instance)?;
        call("adopt", instance.adopt(ROUNDS * PERIOD_MS, residents, true))?;
        Ok(instance)
    };
    let mut twins = [successor()?, successor()?];
    for round in 0..ROUNDS_AFTER_IMPORT {
        score(&mut twins, (ROUNDS + round) * PERIOD_MS, &mut random)?;
    }
    Ok(())
}
