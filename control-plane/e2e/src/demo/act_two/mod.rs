//! The second act: a small API in Python behind the gateway, its background work as tasks with a Python worker. One
//! backend becomes slow, one is killed, and strategies of four kinds are swapped meanwhile.
//!
//! Start reading at [`script`]: what happens when.

mod clients;
mod fleet;
mod program;
mod report;
mod script;
mod stage;
mod strategies;
mod table;
mod watch;

use anyhow::Result;

use self::stage::Stage;
pub(super) use self::{report::Report, table::show};

/// Plays it.
pub(super) async fn play(keep: bool) -> Result<Report> {
    let stage = Stage::set().await?;
    let (stage, report) = script::play(stage).await?;
    stage.end(keep)?;
    Ok(report)
}
