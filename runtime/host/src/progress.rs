use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use parking_lot::Mutex;
use switchyard_types::Stage;

/// At which stage a version is on its way, and how long each stage took. Clones are one: whoever stages writes it, and whoever
/// reports reads it meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: Option<Current>,
    /// In milliseconds. A stage that came several times, once for each shard, stands here with its sum.
    laps: BTreeMap<Stage, f64>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    stage: Stage,
    since: Instant,
    /// For display: the same at every look.
    began: SystemTime,
}

impl Progress {
    /// This stage begins, and the one before ends.
    pub fn enter(&self, stage: Stage) {
        let mut inner = self.0.lock();
        if inner.now.is_some_and(|now| now.stage == stage) {
            return;
        }
        inner.end();
        inner.now = Some(Current { stage, since: Instant::now(), began: SystemTime::now() });
    }

    /// The stage now, and since when; none: nothing has begun, or everything has ended.
    pub fn now(&self) -> Option<(Stage, SystemTime)> {
        self.0.lock().now.map(|now| (now.stage, now.began))
    }

    /// Ends the last stage, and says how long each took, in milliseconds.
    pub fn end(&self) -> BTreeMap<Stage, f64> {
        let mut inner = self.0.lock();
        inner.end();
        inner.laps.clone()
    }
}

impl Inner {
    fn end(&mut self) {
        if let Some(Current { stage, since, .. }) = self.now.take() {
            *self.laps.entry(stage).or_default() += since.elapsed().as_secs_f64() * 1_000.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other_and_are_summed() {
        let progress = Progress::default();
        assert_eq!(progress.now(), None);
        for stage in [Stage::Configure, Stage::Adopt, Stage::Configure] {
            progress.enter(stage);
            progress.clone().enter(stage);
            assert_eq!(progress.now().map(|(now, _)| now), Some(stage));
        }
        let laps = progress.end();
        assert_eq!(laps.keys().collect::<Vec<_>>(), [&Stage::Configure, &Stage::Adopt]);
        assert!(laps.values().all(|ms| *ms >= 0.0) && progress.now().is_none());
    }
}
