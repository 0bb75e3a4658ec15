use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use switchyard_types::{SlotStatus, StrategyKind};
use tokio::time::{Instant, sleep};

use crate::dev::{Dev, Published};

/// Staging compiles and self-tests on a machine that is loaded, and a score is asked for every 15 seconds.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often the node's report is looked at.
const POLL: Duration = Duration::from_millis(20);

/// The strategies of all kinds, one each, replaced again and again.
#[derive(Debug, Default)]
pub(super) struct Strategies {
    published: HashMap<&'static str, Published>,
    swaps: Vec<Swap>,
}

/// A strategy's begin.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Swap {
    kind: StrategyKind,
    plugin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
    /// What was going on.
    phase: &'static str,
    /// From asking for it until the node reported that it decides.
    active_after_ms: f64,
    /// How long decisions stood still.
    flip_ms: f64,
}

/// What is to decide.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: StrategyKind,
    pub(super) plugin: &'static str,
    pub(super) configuration: Option<Value>,
}

impl Swap {
    /// For the table: kind, plugin, phase, milliseconds until it was active, milliseconds that decisions stood still.
    pub(super) fn row(&self) -> Vec<String> {
        let other = if self.configuration.is_some() { " (configured)" } else { "" };
        vec![
            self.phase.to_owned(),
            self.kind.to_string(),
            format!("{}{other}", self.plugin),
            format!("{:.0}", self.active_after_ms),
            format!("{:.3}", self.flip_ms),
        ]
    }
}

impl Strategies {
    /// What has been swapped so far.
    pub(super) fn into_swaps(self) -> Vec<Swap> {
        self.swaps
    }

    /// Declares that this decides, and waits until the node says that it does.
    pub(super) async fn swap(&mut self, dev: &Dev, phase: &'static str, wanted: Wanted) -> Result<()> {
        let Wanted { kind, plugin, configuration } = wanted;
        let published = self.published(dev, plugin).await?;
        let begun = Instant::now();
        let document = dev.admin().apply(&document(kind, &published.reference, &configuration)).await?.accepted()?;
        let generation = document.status.context("the server says no generation")?.generation;
        let is_active = |slot: &SlotStatus| slot.active.as_ref().is_some_and(|active| active.generation == generation);
        let slot = wait(dev, kind, &published.reference, is_active).await?;
        let (active_after_ms, flip_ms) = (begun.elapsed().as_secs_f64() * 1_000.0, slot.flip_ms.unwrap_or_default());
        self.swaps.push(Swap { kind, plugin, configuration, phase, active_after_ms, flip_ms });
        Ok(())
    }

    async fn published(&mut self, dev: &Dev, plugin: &'static str) -> Result<Published> {
        if let Some(published) = self.published.get(plugin) {
            return Ok(published.clone());
        }
        let published = dev.publish(plugin).await?;
        self.published.insert(plugin, published.clone());
        Ok(published)
    }
}

/// Waits until the strategy of this kind, as it is now, has been asked so often by this hook.
pub(super) async fn asked(dev: &Dev, kind: StrategyKind, hook: &str, calls: u64) -> Result<()> {
    let is_asked = |slot: &SlotStatus| slot.hooks.get(hook).is_some_and(|figures| figures.calls >= calls);
    wait(dev, kind, &format!("{calls} calls of {hook}"), is_asked).await?;
    Ok(())
}

async fn wait(
    dev: &Dev,
    kind: StrategyKind,
    what: &str,
    condition: impl Fn(&SlotStatus) -> bool,
) -> Result<SlotStatus> {
    let end = Instant::now() + DEADLINE;
    loop {
        let status = dev.status().await?;
        let slot = status.and_then(|status| status.slots.into_iter().find(|slot| slot.slot.kind == kind));
        match slot {
            Some(slot) if condition(&slot) => return Ok(slot),
            slot if Instant::now() >= end => {
                let failure = slot.and_then(|slot| slot.last_failure).map(|last| last.failure.to_string());
                bail!(
                    "{kind}: {what}: not within {DEADLINE:?}: {}",
                    failure.unwrap_or("no failure is reported".into())
                );
            }
            _ => sleep(POLL).await,
        }
    }
}

fn document(kind: StrategyKind, plugin: &str, configuration: &Option<Value>) -> Value {
    let mut spec = json!({ "kind": kind, "plugin": plugin });
    if let (Some(configuration), Some(spec)) = (configuration, spec.as_object_mut()) {
        spec.insert("configuration".to_owned(), configuration.clone());
    }
    json!({ "kind": "Strategy", "name": format!("demo-{kind}"), "spec": spec })
}
