use std::sync::Arc;

use futures_util::stream;
use reqwest::Response;

use super::{Servers, wire::WireUpdate};
use crate::{StoreError, Update, Updates};

/// Bytes of one line: the largest transaction in base64, with room for what stands around it.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A stream of updates as lines of JSON.
pub(super) struct Lines {
    response: Response,
    /// What has come of lines, read up to `at`.
    buffer: Vec<u8>,
    servers: Arc<Servers>,
    mark: usize,
}

impl Lines {
    pub(super) fn new(response: Response, servers: Arc<Servers>, mark: usize) -> Self {
        Self { response, buffer: Vec::new(), servers, mark }
    }

    /// Ends after its first error; a server whose stream breaks is not the first to be asked again.
    pub(super) fn updates(self) -> Updates {
        Box::pin(stream::unfold(Some(self), |lines| async {
            let mut lines = lines?;
            match lines.next().await {
                Ok(update) => Some((Ok(update), Some(lines))),
                Err(error) => {
                    if matches!(error, StoreError::Unavailable(_)) {
                        lines.servers.failed(lines.mark);
                    }
                    Some((Err(error), None))
                }
            }
        }))
    }

    async fn next(&mut self) -> Result<Update, StoreError> {
        let mut searched = 0;
        loop {
            let found = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(end) = found.map(|end| searched + end) {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let update: WireUpdate = serde_json::from_slice(&line).map_err(StoreError::unavailable)?;
                return update.into();
            }
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX {
                return Err(StoreError::unavailable(format!("an update has over {LINE_BYTES_MAX} bytes")));
            }
            match self.response.chunk().await.map_err(StoreError::unavailable)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err(StoreError::unavailable("the server has ended the stream")),
            }
        }
    }
}
