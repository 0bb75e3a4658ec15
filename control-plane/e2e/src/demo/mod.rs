//! The main job, from source to decisions that change under load: what `cargo xtask demo` runs.

mod options;
mod phases;
mod reference;
mod refusal;
mod report;
mod script;
mod stage;
mod table;

use std::process::ExitCode;

use anyhow::Result;

pub use self::options::Options;
use self::{stage::Stage, table::show};

/// Runs the demo. The status is 0 only if nobody got an error and every bad plugin was refused where it should be.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let workload = options.workload()?;
    let stage = Stage::set(&workload).await?;
    let reference = reference::lru(&stage, &workload)?;
    let played = script::play(&stage, &workload).await?;
    let report = report::write(&stage, &workload, &played, &reference)?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    show(&report);
    stage.end(options.keep)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
