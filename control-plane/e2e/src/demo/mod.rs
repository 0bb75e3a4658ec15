//! The main job, from source to decisions that change under load: what `cargo xtask demo` runs.

mod act_two;
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
use serde::Serialize;

pub use self::options::Options;
use self::{report::Report, stage::Stage};

/// What `--json` writes: the figures of the first act, and beside them those of the second.
#[derive(Debug, Default, Serialize)]
struct Figures {
    #[serde(flatten)]
    act_one: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act_two: Option<act_two::Report>,
}

impl Figures {
    fn are_good(&self) -> bool {
        self.act_one.as_ref().is_none_or(Report::is_good) && self.act_two.as_ref().is_none_or(act_two::Report::is_good)
    }
}

/// Runs the demo. The status is 0 only if nobody got an error, every bad plugin was refused where it should be, no task is
/// lost, and alert and score told of the slow backend and of its end.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let mut figures = Figures::default();
    if options.plays(1) {
        let report = act_one(options).await?;
        table::show(&report);
        figures.act_one = Some(report);
    }
    if options.plays(2) {
        let report = act_two::play(options.keep).await?;
        act_two::show(&report);
        figures.act_two = Some(report);
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    Ok(if figures.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn act_one(options: &Options) -> Result<Report> {
    let workload = options.workload()?;
    let stage = Stage::set(&workload).await?;
    let reference = reference::lru(&stage, &workload)?;
    let played = script::play(&stage, &workload).await?;
    let report = report::write(&stage, &workload, &played, &reference)?;
    stage.end(options.keep)?;
    Ok(report)
}
