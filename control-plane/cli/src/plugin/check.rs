use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use switchyard_host::{Host, HostError, Plugin};
use switchyard_types::{Interests, Limits, PluginManifest, Stage, format_bytes};

use super::COMPONENT_BYTES_MAX;
use crate::{arguments::Global, compile, files, output, progress::spinner, table::pairs};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The component
    file: PathBuf,
    /// The configuration to check it with, JSON; default: the plugin's own
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
}

/// What a check found; every stage in it was passed.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    manifest: PluginManifest,
    stages: Vec<Passed>,
}

/// Stages that the host takes in one step, and how long it took.
#[derive(Debug, Serialize)]
struct Passed {
    stages: Vec<Stage>,
    took_ms: f64,
}

pub(super) fn run(verb: &Check, global: &Global) -> Result<()> {
    let configuration = verb.config.as_deref().map(serde_json::from_str::<Value>).transpose();
    let configuration = configuration.context("--config is not JSON")?;
    let component = files::read(&verb.file, COMPONENT_BYTES_MAX)?;
    let report =
        check(&compile::host(None)?, &component, configuration).with_context(|| verb.file.display().to_string())?;
    output::print(global.output, &report, |report| Ok(show(report)))
}

fn check(host: &Host, component: &[u8], configuration: Option<Value>) -> Result<Report> {
    let mut stages = Vec::new();
    let plugin = timed(&mut stages, &[Stage::Compile, Stage::Link, Stage::Describe], || host.load(component))?;
    let configuration = configuration.unwrap_or_else(|| plugin.manifest().configuration_default.clone());
    timed(&mut stages, &[Stage::Configure, Stage::SelfTest], || plugin.strategy(&configuration, Limits::DEFAULT))?;
    Ok(Report { manifest: Plugin::manifest(&plugin).clone(), stages })
}

fn timed<T>(passed: &mut Vec<Passed>, stages: &[Stage], step: impl FnOnce() -> Result<T, HostError>) -> Result<T> {
    let progress = spinner(names(stages));
    let start = Instant::now();
    let result = step();
    progress.finish_and_clear();
    let result = result.map_err(|error| anyhow!(error.failure()))?;
    passed.push(Passed { stages: stages.to_vec(), took_ms: start.elapsed().as_secs_f64() * 1e3 });
    Ok(result)
}

fn show(report: &Report) -> String {
    let manifest = &report.manifest;
    let mut lines = vec![
        ("plugin", format!("{}@{}", manifest.name, manifest.version)),
        ("digest", manifest.digest.to_string()),
        ("size", format_bytes(manifest.size_bytes)),
        ("kinds", manifest.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")),
        ("contracts", manifest.contracts.join(", ")),
        ("interests", interests(&manifest.interests)),
        ("configuration", manifest.configuration_default.to_string()),
        ("schema", manifest.configuration_schema.to_string()),
        ("state", manifest.state_format.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    for passed in &report.stages {
        lines.push(("passed", format!("{} in {:.1} ms", names(&passed.stages), passed.took_ms)));
    }
    pairs(&lines)
}

fn names(stages: &[Stage]) -> String {
    stages.iter().map(|stage| stage.as_str()).collect::<Vec<_>>().join(", ")
}

fn interests(interests: &Interests) -> String {
    let mut parts = vec![format!("batches of {}", interests.batch)];
    if !interests.events.is_empty() {
        parts.push(format!("events {}", interests.events.join(" ")));
    }
    parts.extend(interests.tick_ms.map(|tick_ms| format!("tick every {tick_ms} ms")));
    parts.extend(interests.keys.then(|| "keys".to_owned()));
    parts.join(", ")
}
