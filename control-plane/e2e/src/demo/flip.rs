use std::time::Duration;

use anyhow::{Context, Result, bail};
use switchyard_types::{Digest, NodeStatus, SlotStatus, StrategyKind};
use tokio::time::{Instant, sleep};

use super::stage::{Published, Stage};
use crate::{
    admin::caching_strategy,
    resp::{Reply, RespClient},
};

/// The strategy that the demo replaces again and again.
const STRATEGY: &str = "demo";

/// Staging compiles, self-tests and adopts on a machine that is fully loaded.
const FLIP_DEADLINE: Duration = Duration::from_secs(60);
/// How exactly the place of a flip in the workload is known.
const INFO_POLL: Duration = Duration::from_millis(1);
/// How often the node's report is looked at.
const STATUS_POLL: Duration = Duration::from_millis(20);

/// Declares that this plugin decides. It does so later, by itself.
pub(super) async fn ask(stage: &Stage, plugin: &Published) -> Result<()> {
    stage.admin.apply(&caching_strategy(STRATEGY, &plugin.reference, None)).await?.accepted()?;
    Ok(())
}

/// Waits until the cache itself says that this plugin decides: its node reports that only some time later.
pub(super) async fn happened(stage: &Stage, plugin: &Published) -> Result<()> {
    let mut client = RespClient::connect(stage.address)?;
    let digest = plugin.digest.short();
    let end = Instant::now() + FLIP_DEADLINE;
    loop {
        match client.call(&[b"INFO", b"switchyard"])? {
            Reply::Bulk(Some(info)) if String::from_utf8_lossy(&info).contains(&digest) => return Ok(()),
            Reply::Bulk(_) if Instant::now() < end => sleep(INFO_POLL).await,
            Reply::Bulk(_) => bail!("{} does not become active: {}", plugin.reference, why(stage).await),
            reply => bail!("INFO switchyard: {reply:?}"),
        }
    }
}

/// Waits until the node reports it; how long decisions stood still.
pub(super) async fn reported(stage: &Stage, plugin: &Published) -> Result<f64> {
    let end = Instant::now() + FLIP_DEADLINE;
    loop {
        let status = status(stage).await?;
        if let Some(slot) = status.as_ref().and_then(|status| active(status, plugin.digest)) {
            return slot.flip_ms.context("a slot with an active strategy reports no flip");
        }
        if Instant::now() >= end {
            bail!("the node does not report {} as active: {}", plugin.reference, why(stage).await);
        }
        sleep(STATUS_POLL).await;
    }
}

async fn status(stage: &Stage) -> Result<Option<NodeStatus>> {
    stage.admin.node(&stage.process.ready().node).await
}

fn active(status: &NodeStatus, digest: Digest) -> Option<&SlotStatus> {
    let slot = status.slots.iter().find(|slot| slot.slot.kind == StrategyKind::Caching)?;
    slot.active.as_ref().is_some_and(|active| active.digest == digest).then_some(slot)
}

async fn why(stage: &Stage) -> String {
    match status(stage).await {
        Ok(Some(status)) => {
            let failures: Vec<_> = status.slots.iter().filter_map(|slot| slot.last_failure.as_ref()).collect();
            failures.first().map_or("its node reports no failure".to_owned(), |last| last.failure.to_string())
        }
        Ok(None) => "its node has not reported".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}
