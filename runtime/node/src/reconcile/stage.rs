use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use switchyard_host::{Host, HostError, Progress, Strategy};
use switchyard_plan::DesiredSlot;
use switchyard_store::{BlobError, BlobSource};
use switchyard_types::{Digest, Stage};
use tokio::{task::spawn_blocking, time::timeout};

use super::Failure;
use crate::folder::LocalBlobs;

/// How long the plugin's bytes may take to arrive, in seconds: 64 MiB over a slow link. The active version decides
/// meanwhile.
const FETCH_SECONDS_MAX: u64 = 60;

/// Brings a version to life up to, and without, the flip.
pub(crate) struct Stager {
    pub(crate) host: Host,
    pub(crate) blobs: LocalBlobs,
    pub(crate) upstream: Option<Arc<dyn BlobSource>>,
}

impl Stager {
    /// Fetch, verify, compile, link, describe, configure, self-test.
    pub(crate) async fn stage(&self, wanted: &DesiredSlot, progress: &Progress) -> Result<Strategy, Failure> {
        let bytes = self.fetch(&wanted.digest, progress).await?;
        let (host, watched) = (self.host.clone(), progress.clone());
        let plugin = blocking(Stage::Compile, move || host.load_watched(&bytes, &watched)).await?;
        if plugin.digest() != wanted.digest {
            return Err(other_bytes(&wanted.digest));
        }
        let (configuration, limits, watched) = (wanted.configuration.clone(), wanted.limits, progress.clone());
        blocking(Stage::Configure, move || plugin.strategy_watched(&configuration, limits, &watched)).await
    }

    /// From this node's disk, else from upstream and then kept on this node's disk: a version that the node could not
    /// start again by itself is not activated.
    async fn fetch(&self, digest: &Digest, progress: &Progress) -> Result<Bytes, Failure> {
        progress.enter(Stage::Fetch);
        if let Some(bytes) = self.blobs.get(digest).await? {
            return Ok(bytes);
        }
        let Some(upstream) = &self.upstream else {
            return Err(BlobError::NotFound(*digest).into());
        };
        let bytes = timeout(Duration::from_secs(FETCH_SECONDS_MAX), upstream.fetch(digest))
            .await
            .map_err(|_| Failure::passing(Stage::Fetch, format!("no answer within {FETCH_SECONDS_MAX} s")))??;
        progress.enter(Stage::Verify);
        // The copy gets the name of what it holds, whatever was asked for.
        if self.blobs.put(&bytes).await? != *digest {
            return Err(other_bytes(digest));
        }
        Ok(bytes)
    }
}

/// Runs a call of the host where it may take its time. One that panics fails at the stage that it was in.
pub(crate) async fn blocking<R: Send + 'static>(
    stage: Stage,
    call: impl FnOnce() -> Result<R, HostError> + Send + 'static,
) -> Result<R, Failure> {
    match spawn_blocking(call).await {
        Ok(result) => result.map_err(Failure::from),
        Err(error) => Err(Failure::passing(stage, format!("the host failed: {error}"))),
    }
}

/// Whoever sent them may send the right ones the next time.
fn other_bytes(digest: &Digest) -> Failure {
    let reason = format!("what arrived does not have the digest {digest}: publish the plugin again");
    Failure::passing(Stage::Verify, reason)
}
