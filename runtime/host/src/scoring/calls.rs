use wasmtime::{
    Store,
    component::{self, TypedFunc},
};

use super::{
    FINDINGS_MAX, Finding, Load, NAME_BYTES_MAX, PARTS_MAX, Part, Resident, SCORES_MAX, SENTENCE_BYTES_MAX, Score,
    Table,
};
use crate::{
    CallError, contract,
    functions::Functions,
    guest_state::{GuestState, inert_cut},
    instance::{CallClass, Instance},
};

/// Bytes of a score with as many parts and findings, and sentences as long, as the contract takes them.
const SCORE_BYTES_MAX: usize = size_of::<Score>()
    + NAME_BYTES_MAX
    + PARTS_MAX * (size_of::<Part>() + NAME_BYTES_MAX + SENTENCE_BYTES_MAX)
    + FINDINGS_MAX * (size_of::<Finding>() + 2 * SENTENCE_BYTES_MAX);
/// Bytes of the longest answer: 11 MiB.
const SCORES_BYTES_MAX: usize = SCORES_MAX * SCORE_BYTES_MAX;

/// The functions of `switchyard:scoring/scoring@0.1.0` in one instance.
pub(crate) struct ScoringCalls {
    score: TypedFunc<(u64, &'static [Table]), (Vec<Score>,)>,
    adopt: TypedFunc<(u64, &'static [Resident], bool), ()>,
    tick: TypedFunc<(u64, Load), ()>,
}

impl ScoringCalls {
    pub(crate) fn bind(store: &mut Store<GuestState>, instance: &component::Instance) -> wasmtime::Result<Self> {
        let mut functions = Functions::of(store, instance, contract::SCORING)?;
        Ok(Self { score: functions.find("score")?, adopt: functions.find("adopt")?, tick: functions.find("tick")? })
    }
}

/// The hooks, each with its budget.
impl Instance<ScoringCalls> {
    pub(crate) fn score(&mut self, now_ms: u64, tables: &[Table]) -> Result<Vec<Score>, CallError> {
        let score = |calls: &ScoringCalls, store: &mut Store<GuestState>| calls.score.call(store, (now_ms, tables));
        let (scores,) = self.call_copying(CallClass::Batched, SCORES_BYTES_MAX, score)?;
        at_most("scores", scores.len(), SCORES_MAX)?;
        scores.into_iter().map(checked).collect()
    }

    pub(crate) fn adopt(&mut self, now_ms: u64, residents: &[Resident], last: bool) -> Result<(), CallError> {
        self.call(CallClass::Lifecycle, |calls, store| calls.adopt.call(store, (now_ms, residents, last)))
    }

    pub(crate) fn tick(&mut self, now_ms: u64, load: Load) -> Result<(), CallError> {
        self.call(CallClass::Batched, |calls, store| calls.tick.call(store, (now_ms, load)))
    }
}

fn invalid(reason: String) -> CallError {
    CallError::InvalidResult(reason)
}

fn at_most(what: &str, count: usize, max: usize) -> Result<(), CallError> {
    match count <= max {
        true => Ok(()),
        false => Err(invalid(format!("{count} {what}: at most {max} are taken"))),
    }
}

/// Within 0 and `max`; a NaN is not.
fn within(what: &str, value: Option<f64>, max: f64) -> Result<(), CallError> {
    match value.is_none_or(|value| (0.0..=max).contains(&value)) {
        true => Ok(()),
        false => Err(invalid(format!("{what} is {}: expected 0 to {max}", value.unwrap_or_default()))),
    }
}

fn name(what: &str, name: &str) -> Result<(), CallError> {
    match name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        true => Err(invalid(format!("the name of a {what} has 1 to {NAME_BYTES_MAX} bytes, no control characters"))),
        false => Ok(()),
    }
}

fn checked(score: Score) -> Result<Score, CallError> {
    let Score { scope, value, parts, findings, forecast } = score;
    name("scope", &scope)?;
    within("a score", value, 100.0)?;
    within("a forecast", forecast, 100.0)?;
    at_most("parts", parts.len(), PARTS_MAX)?;
    at_most("findings", findings.len(), FINDINGS_MAX)?;
    let parts = parts.into_iter().map(checked_part).collect::<Result<_, _>>()?;
    let findings = findings.into_iter().map(readable).collect();
    Ok(Score { scope, value, parts, findings, forecast })
}

fn checked_part(part: Part) -> Result<Part, CallError> {
    name("part", &part.name)?;
    within("a part's weight", Some(part.weight), 1.0)?;
    within("a part", part.value, 100.0)?;
    Ok(Part { evidence: inert_cut(&part.evidence, SENTENCE_BYTES_MAX), ..part })
}

fn readable(finding: Finding) -> Finding {
    let cut = |text: &str| inert_cut(text, SENTENCE_BYTES_MAX);
    Finding { severity: finding.severity, text: cut(&finding.text), advice: cut(&finding.advice) }
}
