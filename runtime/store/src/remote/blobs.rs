use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode, Url, header};
use switchyard_types::Digest;

use super::{Servers, client};
use crate::{BLOB_BYTES_MAX, BlobError, BlobSource, StoreError};

/// Tries of one fetch: each goes on where the one before broke off.
const TRIES_MAX: u32 = 6;
/// Before the first try, drawn from the whole: a fleet that is told of a new plugin at once does not fetch it at once.
const SPREAD_MS: u64 = 250;
/// Before each further try, drawn from the whole and doubled each time.
const RETRY_WINDOW_MS: u64 = 500;

/// The blobs that servers hold.
#[derive(Clone)]
pub struct RemoteBlobs {
    servers: Arc<Servers>,
    token: String,
    http: Client,
    spread: bool,
}

impl RemoteBlobs {
    /// Nothing is asked yet.
    pub fn new(servers: Arc<Servers>, token: String) -> Result<Self, StoreError> {
        Ok(Self { servers, token, http: client()?, spread: true })
    }

    /// Asks at once: for the few, not for a fleet.
    pub fn at_once(self) -> Self {
        Self { spread: false, ..self }
    }

    /// What comes after `have`, added to it, from the server that is asked. A server that starts over, because it knows no
    /// ranges, starts over.
    async fn go_on(&self, server: &Url, digest: &Digest, have: &mut BytesMut) -> Result<(), BlobError> {
        let mut request = self.http.get(format!("{server}v1/blobs/{digest}")).bearer_auth(&self.token);
        if !have.is_empty() {
            request = request.header(header::RANGE, format!("bytes={}-", have.len()));
        }
        let mut response = request.send().await.map_err(unavailable)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => have.clear(),
            StatusCode::NOT_FOUND => return Err(BlobError::NotFound(*digest)),
            status => {
                // Nothing comes after what is there, so what is there is wrong: from the beginning.
                if status == StatusCode::RANGE_NOT_SATISFIABLE {
                    have.clear();
                }
                return Err(unavailable(format!("{server} answered {status}")));
            }
        }
        check_size(&response, have.len())?;
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            have.extend_from_slice(&chunk);
            if have.len() as u64 > BLOB_BYTES_MAX {
                return Err(BlobError::TooLarge { bytes: have.len() as u64 });
            }
        }
        Ok(())
    }

    /// One try. Of several fetches at once each blames the server that it has asked itself.
    async fn try_once(&self, digest: &Digest, have: &mut BytesMut) -> Result<(), BlobError> {
        let (mark, server) = self.servers.current();
        let gone_on = self.go_on(server, digest, have).await;
        // Also where the connection broke after the last byte: there is nothing left to ask for.
        if !matches!(gone_on, Err(BlobError::TooLarge { .. })) && Digest::of(have) == *digest {
            return Ok(());
        }
        let error = match gone_on {
            Ok(()) => {
                // Whole, and other bytes: from the next server from the beginning.
                have.clear();
                BlobError::Corrupt(*digest)
            }
            Err(error) => error,
        };
        // Another one may have it.
        if !matches!(error, BlobError::TooLarge { .. }) {
            self.servers.failed(mark);
        }
        Err(error)
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BlobError {
    BlobError::Unavailable(error.into())
}

fn check_size(response: &Response, have: usize) -> Result<(), BlobError> {
    let bytes = response.content_length().unwrap_or_default() + have as u64;
    if bytes > BLOB_BYTES_MAX { Err(BlobError::TooLarge { bytes }) } else { Ok(()) }
}

async fn wait(window_ms: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=window_ms))).await;
}

#[async_trait]
impl BlobSource for RemoteBlobs {
    async fn fetch(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        if self.spread {
            wait(SPREAD_MS).await;
        }
        let mut have = BytesMut::new();
        let mut tried = 0;
        loop {
            let error = match self.try_once(digest, &mut have).await {
                Ok(()) => return Ok(have.freeze()),
                Err(error) => error,
            };
            tried += 1;
            let is_final = match &error {
                BlobError::TooLarge { .. } => true,
                BlobError::NotFound(_) => self.servers.count() == 1,
                BlobError::Corrupt(_) | BlobError::Unavailable(_) => false,
            };
            if is_final || tried == TRIES_MAX {
                return Err(error);
            }
            wait(RETRY_WINDOW_MS << (tried - 1)).await;
        }
    }
}
