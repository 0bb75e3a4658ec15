use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

use super::{
    refusal::{Bad, Refusal},
    stage::Stage,
};
use crate::{
    latency::Window,
    load::{Load, Plan, Served},
    resp::RespClient,
    workload::Workload,
};

const CONNECTIONS: usize = 8;
/// A trace that would be over sooner is spread over this time: a swap takes a moment, and should meet its phase.
const DURATION_MIN: Duration = Duration::from_secs(16);
/// A swap's seconds: this long after its flip too.
const AFTER_FLIP: Duration = Duration::from_secs(1);
/// How often the load's position is looked at.
const POLL: Duration = Duration::from_millis(1);

/// What is done when so many eighths of the workload were asked for. The first phase has begun before.
const ACTS: [(usize, Act); 6] = [
    (1, Act::Refuse(Bad::Loop)),
    (2, Act::Swap("caching-s3fifo")),
    (3, Act::Refuse(Bad::Socket)),
    (4, Act::Swap("caching-lru")),
    (5, Act::Refuse(Bad::Configuration)),
    (6, Act::Swap("caching-s3fifo")),
];
const EIGHTHS: usize = 8;

const NO_FLIP: &str = "a slot with an active strategy reports no flip";

#[derive(Debug, Clone, Copy)]
enum Act {
    Swap(&'static str),
    Refuse(Bad),
}

/// What happened.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) served: Served,
    /// Decisions that strategies made, and those that were left to the fallback.
    pub(super) decisions: u64,
    pub(super) fallbacks: u64,
    /// Who decided from which request on.
    pub(super) flips: Vec<Flip>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) resident_bytes: u64,
    pub(super) resident_bytes_max: u64,
}

/// One strategy's begin.
#[derive(Debug, Clone)]
pub(super) struct Flip {
    pub(super) strategy: String,
    /// The first request that was surely decided by it.
    pub(super) at: usize,
    /// How long decisions stood still.
    pub(super) flip_ms: f64,
}

struct Player<'a> {
    stage: &'a Stage,
    load: Load,
    bar: ProgressBar,
    flips: Vec<Flip>,
    refusals: Vec<Refusal>,
    resident_bytes_max: u64,
}

/// Plays the workload with everything that happens meanwhile.
pub(super) async fn play(stage: &Stage, workload: &Workload) -> Result<Played> {
    let first = stage.plugin("caching-lru")?;
    let flip_ms = stage.dev.activate(first).await?.flip_ms.context(NO_FLIP)?;
    let plan =
        Plan { address: stage.dev.address(), connections: CONNECTIONS, duration_min: DURATION_MIN, repeat: false };
    let mut player = Player {
        stage,
        load: Load::start(workload.ids.clone(), plan)?,
        bar: bar(workload)?,
        flips: vec![Flip { strategy: first.name.clone(), at: 0, flip_ms }],
        refusals: Vec::new(),
        resident_bytes_max: 0,
    };
    for (eighth, act) in ACTS {
        player.reach(workload.ids.len() * eighth / EIGHTHS).await?;
        player.act(act).await?;
    }
    player.reach(workload.ids.len()).await?;
    player.finish().await
}

impl Player<'_> {
    /// Lets the load come to this request.
    async fn reach(&mut self, request: usize) -> Result<()> {
        while self.load.position() < request {
            if self.load.is_done() {
                break;
            }
            self.look()?;
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn act(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Swap(name) => {
                self.load.enter(Window::Swap);
                self.swap(name).await?;
            }
            Act::Refuse(bad) => {
                self.load.enter(Window::Refusal);
                self.refusals.push(bad.push(self.stage).await?);
            }
        }
        self.load.enter(Window::Steady);
        Ok(())
    }

    async fn swap(&mut self, name: &str) -> Result<()> {
        let plugin = self.stage.plugin(name)?;
        self.bar.set_message(format!("swapping to {name}"));
        self.stage.dev.declare(plugin, None).await?;
        self.stage.dev.flipped(plugin).await?;
        let at = self.load.position();
        if self.load.is_done() {
            bail!("the workload ended before {name} became active: it is too short for this machine");
        }
        let flip_ms = self.stage.dev.active(plugin).await?.flip_ms.context(NO_FLIP)?;
        self.flips.push(Flip { strategy: name.to_owned(), at, flip_ms });
        self.bar.set_message(name.to_owned());
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < AFTER_FLIP && !self.load.is_done() {
            self.look()?;
            sleep(POLL).await;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        self.bar.set_position(self.load.position() as u64);
        self.resident_bytes_max = self.resident_bytes_max.max(self.stage.dev.process().resident_bytes()?);
        Ok(())
    }

    async fn finish(self) -> Result<Played> {
        let served = self.load.finish()?;
        self.bar.finish_and_clear();
        let mut info = RespClient::connect(self.stage.dev.address())?;
        let mut count = |field| anyhow::Ok(info.info(field)?.and_then(|text| text.parse().ok()).unwrap_or(0));
        let decisions = count("caching_store_calls")?;
        let fallbacks = count("caching_store_fallbacks")?;
        let resident_bytes = self.stage.dev.process().resident_bytes()?;
        Ok(Played {
            served,
            decisions,
            fallbacks,
            flips: self.flips,
            refusals: self.refusals,
            resident_bytes,
            resident_bytes_max: self.resident_bytes_max.max(resident_bytes),
        })
    }
}

fn bar(workload: &Workload) -> Result<ProgressBar> {
    let bar = ProgressBar::new(workload.ids.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} requests, {per_sec}, {msg}");
    bar.set_style(style.context("the progress bar's template is valid")?);
    bar.set_message("caching-lru");
    Ok(bar)
}
