use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use switchyard_types::{PluginManifest, format_bytes};

use super::COMPONENT_BYTES_MAX;
use crate::{arguments::Global, files, http::Client, output, progress::spinner, runtime::block_on};

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The component
    file: PathBuf,
    /// Let the server check it, publish nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(verb: &Push, global: &Global) -> Result<()> {
    let component = files::read(&verb.file, COMPONENT_BYTES_MAX)?;
    let client = Client::new(global)?;
    let size = format_bytes(component.len() as u64);
    let progress = spinner(format!("pushing {size}; the server compiles and tests it"));
    let pushed = block_on(client.push(component, verb.dry_run));
    progress.finish_and_clear();
    let (new, manifest) = pushed.with_context(|| verb.file.display().to_string())?;
    let result = if verb.dry_run {
        "valid"
    } else if new {
        "published"
    } else {
        "unchanged"
    };
    let value = json!({
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "result": result,
    });
    output::print(global.output, &value, |_| Ok(show(&manifest, result)))
}

fn show(manifest: &PluginManifest, result: &str) -> String {
    format!("{}@{} {} {result}", manifest.name, manifest.version, manifest.digest)
}
