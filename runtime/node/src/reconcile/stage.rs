use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use switchyard_host::{Host, HostError, Strategy};
use switchyard_plan::DesiredSlot;
use switchyard_store::{BlobError, BlobSource};
use switchyard_types::{Digest, Stage, StageFailure};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{causes::with_causes, folder::LocalBlobs};

/// How long the plugin's bytes may take to arrive, in seconds: 64 MiB over a slow link. The active version decides
/// meanwhile.
const FETCH_SECONDS_MAX: u64 = 60;

/// Brings a version to life up to, and without, the flip.
pub(crate) struct Stager {
    pub(crate) host: Host,
    pub(crate) blobs: LocalBlobs,
    pub(crate) upstream: Option<Arc<dyn BlobSource>>,
}

/// What passed, and how long each stage took in milliseconds.
pub(crate) struct Staged {
    pub(crate) strategy: Strategy,
    pub(crate) staging_ms: BTreeMap<String, f64>,
}

impl Stager {
    /// Fetch, verify, compile, link, describe, configure, self-test.
    pub(crate) async fn stage(&self, wanted: &DesiredSlot) -> Result<Staged, StageFailure> {
        let mut watch = Stopwatch::start();
        let bytes = self.fetch(&wanted.digest).await?;
        watch.lap(Stage::Fetch);
        let host = self.host.clone();
        let plugin = blocking(Stage::Compile, move || host.load(&bytes)).await?;
        if plugin.digest() != wanted.digest {
            return Err(other_bytes(&wanted.digest));
        }
        watch.lap(Stage::Compile);
        let (configuration, limits) = (wanted.configuration.clone(), wanted.limits);
        let strategy = blocking(Stage::Configure, move || plugin.strategy(&configuration, limits)).await?;
        watch.lap(Stage::Configure);
        Ok(Staged { strategy, staging_ms: watch.laps })
    }

    /// From this node's disk, else from upstream and then kept on this node's disk: a version that the node could not
    /// start again by itself is not activated.
    async fn fetch(&self, digest: &Digest) -> Result<Bytes, StageFailure> {
        if let Some(bytes) = self.blobs.get(digest).await.map_err(fetch_failure)? {
            return Ok(bytes);
        }
        let Some(upstream) = &self.upstream else {
            return Err(fetch_failure(BlobError::NotFound(*digest)));
        };
        let bytes = timeout(Duration::from_secs(FETCH_SECONDS_MAX), upstream.fetch(digest))
            .await
            .map_err(|_| StageFailure::new(Stage::Fetch, format!("no answer within {FETCH_SECONDS_MAX} s")))?
            .map_err(fetch_failure)?;
        // The copy gets the name of what it holds, whatever was asked for.
        if self.blobs.put(&bytes).await.map_err(fetch_failure)? != *digest {
            return Err(other_bytes(digest));
        }
        Ok(bytes)
    }
}

/// Runs a call of the host where it may take its time. One that panics fails at the stage that it was in.
pub(crate) async fn blocking<R: Send + 'static>(
    stage: Stage,
    call: impl FnOnce() -> Result<R, HostError> + Send + 'static,
) -> Result<R, StageFailure> {
    match spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| error.failure()),
        Err(error) => Err(StageFailure::new(stage, format!("the host failed: {error}"))),
    }
}

fn other_bytes(digest: &Digest) -> StageFailure {
    StageFailure::new(
        Stage::Verify,
        format!("what arrived does not have the digest {digest}: publish the plugin again"),
    )
}

fn fetch_failure(error: BlobError) -> StageFailure {
    let stage = if matches!(error, BlobError::Corrupt(_)) { Stage::Verify } else { Stage::Fetch };
    StageFailure::new(stage, with_causes(&error))
}

/// Times of stages that follow each other.
struct Stopwatch {
    since: Instant,
    laps: BTreeMap<String, f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { since: Instant::now(), laps: BTreeMap::new() }
    }

    fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.laps.insert(stage.to_string(), now.duration_since(self.since).as_secs_f64() * 1_000.0);
        self.since = now;
    }
}
