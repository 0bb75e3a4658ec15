//! What `describe` says becomes a manifest, or a sentence about what is wrong with it.

use serde_json::Value;
use switchyard_types::{Digest, Interests, PluginManifest, Stage, StrategyKind};

use crate::{
    CallError, HostError, bindings::Description, bindings::exports::switchyard::lifecycle::lifecycle as wit, contract,
    guest_state::METRICS_MAX,
};

/// Events in one batched call.
pub(crate) const BATCH_MAX: u32 = 256;
/// The shortest tick.
const TICK_MS_MIN: u32 = 10;
/// Names of events, counters: a handful of short words.
const NAMES_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 63;

/// Checks a description against the contract and what the component exports.
pub(crate) fn manifest(
    description: Description,
    digest: Digest,
    size_bytes: u64,
    exported: &[StrategyKind],
) -> Result<PluginManifest, HostError> {
    read(description, digest, size_bytes, exported)
        .map_err(|reason| HostError::Call { stage: Stage::Describe, source: CallError::InvalidResult(reason) })
}

fn read(
    description: Description,
    digest: Digest,
    size_bytes: u64,
    exported: &[StrategyKind],
) -> Result<PluginManifest, String> {
    names("kinds", &description.kinds)?;
    let mut kinds = description.kinds.iter().map(|kind| kind.parse()).collect::<Result<Vec<StrategyKind>, _>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    if let Some(kind) = kinds.iter().find(|kind| !exported.contains(kind)) {
        return Err(format!("kinds names {kind}, whose interface the component does not export"));
    }
    if kinds.is_empty() {
        return Err("kinds is empty: expected one or more of the kinds that the component exports".into());
    }
    if description.counters.len() + description.gauges.len() > METRICS_MAX {
        return Err(format!("counters and gauges are more than {METRICS_MAX} together"));
    }
    names("counters", &description.counters)?;
    names("gauges", &description.gauges)?;
    if let Some(format) = &description.state_format {
        names("state-format", std::slice::from_ref(format))?;
    }
    Ok(PluginManifest {
        name: description.name.parse().map_err(|error| format!("name: {error}"))?,
        version: description
            .version
            .parse()
            .map_err(|error| format!("version {:?} is not a semantic version: {error}", description.version))?,
        digest,
        size_bytes,
        kinds,
        contracts: contract::packages(exported),
        configuration_schema: json("configuration-schema", &description.configuration_schema)?,
        configuration_default: json("configuration-default", &description.configuration_default)?,
        state_format: description.state_format,
        interests: interests(description.interests)?,
        counters: description.counters,
        gauges: description.gauges,
    })
}

fn interests(interests: wit::Interests) -> Result<Interests, String> {
    names("interests.events", &interests.events)?;
    if !(1..=BATCH_MAX).contains(&interests.batch) {
        return Err(format!("interests.batch is {}: expected 1 to {BATCH_MAX}", interests.batch));
    }
    if let Some(tick_ms) = interests.tick_ms.filter(|tick_ms| *tick_ms < TICK_MS_MIN) {
        return Err(format!("interests.tick-ms is {tick_ms}: expected {TICK_MS_MIN} or more"));
    }
    Ok(Interests {
        events: interests.events,
        batch: interests.batch,
        tick_ms: interests.tick_ms,
        keys: interests.keys,
        dense_scores: interests.dense_scores,
    })
}

fn names(what: &str, names: &[String]) -> Result<(), String> {
    if names.len() > NAMES_MAX {
        return Err(format!("{what} has {} names: at most {NAMES_MAX} are taken", names.len()));
    }
    let inert = |name: &String| {
        (1..=NAME_CHARS_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
    };
    match names.iter().find(|name| !inert(name)) {
        Some(name) => Err(format!(
            "{what} has {:?}: expected 1 to {NAME_CHARS_MAX} letters, digits, hyphens, underscores, dots or slashes",
            name.chars().take(NAME_CHARS_MAX).collect::<String>()
        )),
        None => Ok(()),
    }
}

fn json(what: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{what} is not JSON: {error}"))
}
