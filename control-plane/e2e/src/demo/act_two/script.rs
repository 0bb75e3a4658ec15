use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use switchyard_types::StrategyKind;
use tokio::time::{Instant, sleep};

use super::{
    clients::{Clients, Served},
    report::{self, Report},
    stage::Stage,
    strategies::{Strategies, Wanted, asked},
    watch::{AlertState, Score, Watch},
};

/// The backend that becomes slow, and how much longer each of its requests takes then, in milliseconds.
const SLOW: (&str, u64) = ("api-2", 3_000);
/// The backend that is killed.
const KILLED: &str = "api-1";

/// How long clients are served at least before something happens, after a backend was killed, and at the end.
const STEADY: Duration = Duration::from_secs(10);
/// Series are judged every 5 seconds and a score is given every 15: what does not come within this does not come.
const SEEN_DEADLINE: Duration = Duration::from_secs(90);
/// Work that waits at the end is done within this.
const WORK_DEADLINE: Duration = Duration::from_secs(120);
/// How often alerts, scores and backends are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Tasks that each scheduling strategy decides about at least.
const TASKS_MIN: u64 = 50;
/// Evaluations of a rule set while the alert fires, at least.
const EVALUATIONS_MIN: u64 = 2;
/// Requests that a backend gets after it has come back, at least.
const SERVED_MIN: u64 = 20;

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// From the moment that a backend became slow.
    pub(super) alert_fired: Option<Duration>,
    /// From the moment that another strategy routed around it.
    pub(super) alert_resolved: Option<Duration>,
    pub(super) alert_reason: Option<String>,
    /// Whether it went on firing, as the same alert, when another rule set was swapped in.
    pub(super) alert_kept: bool,
    pub(super) score_before: Option<f64>,
    pub(super) score_lowest: Option<f64>,
    pub(super) score_reason: Option<String>,
    pub(super) score_after: Option<f64>,
    /// From its start anew until the backend that was killed had answered requests.
    pub(super) killed_served_again: Option<Duration>,
    /// Tries of the gateway after the first.
    pub(super) retries: u64,
    pub(super) tasks: Tasks,
}

/// What became of the work that the API has accepted.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) pushed: usize,
    pub(super) done: usize,
    /// Runs of one video after its first.
    pub(super) duplicates: u64,
}

struct Player {
    stage: Stage,
    watch: Watch,
    clients: Clients,
    strategies: Strategies,
    phase: &'static str,
    bar: ProgressBar,
    fired_at: Option<Instant>,
    played: Played,
}

/// Plays the act.
pub(super) async fn play(stage: Stage) -> Result<(Stage, Report)> {
    let mut player = Player {
        watch: Watch::new(stage.node_http())?,
        clients: Clients::start(stage.gateway())?,
        strategies: Strategies::default(),
        phase: "before",
        bar: ProgressBar::new_spinner(),
        fired_at: None,
        played: Played::default(),
        stage,
    };
    player.begin().await?;
    player.steady().await?;
    player.one_slow().await?;
    player.routed_around().await?;
    player.one_killed().await?;
    player.back_to_normal().await?;
    player.finish().await
}

impl Player {
    async fn begin(&mut self) -> Result<()> {
        self.swap(StrategyKind::Routing, "routing-round-robin", None).await?;
        self.swap(StrategyKind::Scheduling, "scheduling-fifo", None).await?;
        self.swap(StrategyKind::Alerting, "alerting-threshold", Some(rules([0.4, 0.6, 5.0], 2_000))).await?;
        self.swap(StrategyKind::Scoring, "scoring-weighted", Some(shares(60))).await
    }

    async fn steady(&mut self) -> Result<()> {
        self.enter("steady")?;
        let begun = Instant::now();
        let well = |score: &Score| score.reason().is_none();
        self.until(async |player| {
            let score = player.watch.score().await?.filter(well);
            player.played.score_before = score.map(|score| score.value());
            Ok(player.played.score_before.is_some() && begun.elapsed() >= STEADY)
        })
        .await?;
        Ok(())
    }

    /// Round robin knows nothing of it: every third request waits. Rules and shares are swapped while the alert fires.
    async fn one_slow(&mut self) -> Result<()> {
        self.enter("one slow")?;
        self.stage.fleet.slow(SLOW.0, SLOW.1).await?;
        self.played.alert_fired = self.until(async |player| player.is_firing().await).await?;
        self.fired_at = Some(Instant::now());
        self.until(async |player| player.has_dropped().await).await?;
        self.swap(StrategyKind::Alerting, "alerting-threshold", Some(rules([0.3, 0.5, 5.0], 1_000))).await?;
        self.swap(StrategyKind::Scoring, "scoring-weighted", Some(shares(50))).await?;
        asked(&self.stage.dev, StrategyKind::Alerting, "evaluate", EVALUATIONS_MIN).await?;
        self.played.alert_kept = self.has_fired_on().await?;
        Ok(())
    }

    async fn routed_around(&mut self) -> Result<()> {
        self.enter("routed around")?;
        let begun = Instant::now();
        self.swap(StrategyKind::Routing, "routing-least-latency", None).await?;
        let resolved = self.until(async |player| player.is_resolved().await).await?;
        self.played.alert_resolved = resolved.map(|_| begun.elapsed());
        self.until(async |player| player.has_recovered().await).await?;
        Ok(())
    }

    async fn one_killed(&mut self) -> Result<()> {
        self.enter("one killed")?;
        self.stage.fleet.kill(KILLED)?;
        self.hold().await?;
        for plugin in ["scheduling-priority", "scheduling-sjf"] {
            self.swap(StrategyKind::Scheduling, plugin, None).await?;
            asked(&self.stage.dev, StrategyKind::Scheduling, "submit", TASKS_MIN).await?;
        }
        Ok(())
    }

    async fn back_to_normal(&mut self) -> Result<()> {
        self.enter("back to normal")?;
        self.stage.fleet.slow(SLOW.0, 0).await?;
        self.stage.fleet.restart(KILLED)?;
        self.swap(StrategyKind::Scheduling, "scheduling-fifo", None).await?;
        self.swap(StrategyKind::Routing, "routing-round-robin", None).await?;
        let served = self.until(async |player| Ok(player.stage.fleet.served(KILLED).await? >= SERVED_MIN)).await?;
        self.played.killed_served_again = served;
        self.hold().await?;
        self.until(async |player| player.has_recovered().await).await?;
        Ok(())
    }

    /// Lets the clients go on for a while.
    async fn hold(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.until(async |_| Ok(begun.elapsed() >= STEADY)).await?;
        Ok(())
    }

    async fn finish(mut self) -> Result<(Stage, Report)> {
        self.bar.set_message("waiting for the work that is left");
        let served = self.clients.finish().await?;
        self.played.tasks = work(&mut self.stage, &served).await?;
        let figures = self.stage.dev.status().await?.map(|status| status.figures).unwrap_or_default();
        self.played.retries = figures.get("gateway.retries").map_or(0, |retries| *retries as u64);
        self.bar.finish_and_clear();
        let report = report::write(served, self.played, self.strategies.into_swaps());
        Ok((self.stage, report))
    }

    fn enter(&mut self, phase: &'static str) -> Result<()> {
        self.phase = phase;
        self.clients.enter(phase)
    }

    async fn swap(&mut self, kind: StrategyKind, plugin: &'static str, configuration: Option<Value>) -> Result<()> {
        self.bar.set_message(format!("{}: swapping to {plugin}", self.phase));
        let wanted = Wanted { kind, plugin, configuration };
        self.strategies.swap(&self.stage.dev, self.phase, wanted).await
    }

    /// Looks again and again; how long it took until the condition held, none: it does not.
    async fn until(&mut self, condition: impl AsyncFn(&mut Self) -> Result<bool>) -> Result<Option<Duration>> {
        let begun = Instant::now();
        while begun.elapsed() < SEEN_DEADLINE {
            if condition(self).await? {
                return Ok(Some(begun.elapsed()));
            }
            self.look().await?;
            sleep(POLL).await;
        }
        Ok(None)
    }

    /// What is true at any time: for people, and the lowest score.
    async fn look(&mut self) -> Result<()> {
        let score = self.watch.score().await?;
        let shown = score.as_ref().map_or("no score yet".to_owned(), |score| format!("score {:.0}", score.value()));
        self.bar.set_message(format!("{}: {} requests, {shown}", self.phase, self.clients.requests()));
        self.bar.tick();
        if self.phase != "steady"
            && let Some(score) = score
        {
            self.note(&score);
        }
        Ok(())
    }

    fn note(&mut self, score: &Score) {
        if self.played.score_lowest.is_none_or(|lowest| score.value() < lowest) {
            self.played.score_lowest = Some(score.value());
            self.played.score_reason = score.reason();
        }
    }

    async fn is_firing(&mut self) -> Result<bool> {
        let alert = self.watch.alert().await?.filter(|alert| alert.state == AlertState::Firing);
        self.played.alert_reason = alert.as_ref().map(|alert| alert.reason.clone());
        Ok(alert.is_some())
    }

    /// As the alert that it was: not one that began with the new rules.
    async fn has_fired_on(&self) -> Result<bool> {
        let alert = self.watch.alert().await?.filter(|alert| alert.state == AlertState::Firing);
        let fired = self.fired_at.map(|at| at.elapsed().as_millis());
        Ok(alert.zip(fired).is_some_and(|(alert, fired_ms)| u128::from(alert.active_for_ms) >= fired_ms))
    }

    async fn is_resolved(&self) -> Result<bool> {
        Ok(self.watch.alert().await?.is_some_and(|alert| alert.state == AlertState::Resolved))
    }

    async fn has_dropped(&mut self) -> Result<bool> {
        let Some(score) = self.watch.score().await?.filter(|score| score.reason().is_some()) else { return Ok(false) };
        self.note(&score);
        Ok(true)
    }

    async fn has_recovered(&mut self) -> Result<bool> {
        let well = self.watch.score().await?.filter(|score| score.reason().is_none());
        self.played.score_after = well.map(|score| score.value());
        Ok(self.played.score_after.is_some())
    }
}

/// Waits until all work that the API has accepted is done, or takes too long.
async fn work(stage: &mut Stage, served: &Served) -> Result<Tasks> {
    let end = Instant::now() + WORK_DEADLINE;
    loop {
        let runs = stage.fleet.runs().await?;
        let is_done = |video: &&String| runs.get(*video).is_some_and(|runs| *runs > 0);
        let done: HashSet<_> = served.videos.iter().filter(is_done).collect();
        if done.len() == served.videos.len() || Instant::now() >= end {
            let duplicates = runs.values().map(|runs| runs.saturating_sub(1)).sum();
            return Ok(Tasks { pushed: served.videos.len(), done: done.len(), duplicates });
        }
        sleep(POLL).await;
    }
}

/// One rule of a service: mean response time in seconds. What else the machine does is not what is shown.
fn rules([normal, warning, critical]: [f64; 3], for_ms: u64) -> Value {
    json!({ "rules": [{
        "name": super::watch::RULE,
        "metric": "http.server.request.duration",
        "normal": normal,
        "warning": warning,
        "critical": critical,
        "for_ms": for_ms,
    }] })
}

/// The service alone: the machine, which runs whatever else it runs, and the cache, which nobody asks, have no share.
fn shares(response_time: u32) -> Value {
    json!({
        "response_time": response_time,
        "success": 100 - response_time,
        "cache_efficiency": 0,
        "system_health": 0,
        "response_good_seconds": 0.3,
        "response_bad_seconds": 1.0,
    })
}
