use std::sync::Arc;

use futures_util::stream;
use reqwest::Response;

use super::{Servers, wire::WireUpdate};
use crate::{Revision, StoreError, Update, Updates};

/// Bytes of one line: the largest transaction in base64, with room for what stands around it.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A stream of updates as lines of JSON.
pub(super) struct Lines {
    response: Response,
    split: Split,
    servers: Arc<Servers>,
    mark: usize,
    /// Of the last update.
    after: Revision,
}

impl Lines {
    /// The answer of the marked server to who asked for what comes after a revision.
    pub(super) fn new(response: Response, (servers, mark): (Arc<Servers>, usize), after: Revision) -> Self {
        Self { response, split: Split::default(), servers, mark, after }
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
        loop {
            match self.split.next() {
                Ok(Some(line)) => return self.read(&line),
                Ok(None) => {}
                Err(TooLong) => return Err(self.unreadable(&format!("an update has over {LINE_BYTES_MAX} bytes"))),
            }
            match self.response.chunk().await.map_err(StoreError::unavailable)? {
                Some(chunk) => self.split.add(&chunk),
                None => return Err(StoreError::unavailable("the server has ended the stream")),
            }
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<Update, StoreError> {
        let update: WireUpdate = serde_json::from_slice(line).map_err(|error| self.unreadable(&error.to_string()))?;
        let update: Result<Update, StoreError> = update.into();
        if let Ok(Update::Changed { revision, .. } | Update::Progress(revision)) = &update {
            self.after = *revision;
        }
        update
    }

    /// The same line would come again: only a list leads past it.
    fn unreadable(&self, reason: &str) -> StoreError {
        tracing::warn!(after = self.after.0, reason, "an update cannot be read, and is passed over by a list");
        StoreError::Compacted { after: self.after }
    }
}

/// A line has more than [`LINE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

/// What has come, in lines. What was given out is taken away once a chunk: many lines in one chunk cost one move.
#[derive(Default)]
struct Split {
    buffer: Vec<u8>,
    /// Up to here it was given out.
    taken: usize,
    /// Up to here there is no end of a line that was not given out.
    searched: usize,
}

impl Split {
    fn add(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line; none: it has not come yet.
    fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let found = self.buffer.iter().skip(self.searched).position(|byte| *byte == b'\n');
        let Some(end) = found.map(|end| self.searched + end) else {
            self.searched = self.buffer.len();
            let too_long = self.searched - self.taken > LINE_BYTES_MAX;
            return if too_long { Err(TooLong) } else { Ok(None) };
        };
        let line = self.buffer.get(self.taken..end).unwrap_or_default().to_vec();
        (self.taken, self.searched) = (end + 1, end + 1);
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"one\n\nthree\nfo";
        for size in 1..=text.len() {
            let (mut split, mut lines) = (Split::default(), Vec::new());
            for chunk in text.chunks(size) {
                split.add(chunk);
                while let Some(line) = split.next().unwrap() {
                    lines.push(String::from_utf8(line).unwrap());
                }
            }
            assert_eq!(lines, ["one", "", "three"], "{size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut split = Split::default();
        split.add(b"short\n");
        assert_eq!(split.next(), Ok(Some(b"short".to_vec())));
        split.add(&vec![b'x'; LINE_BYTES_MAX]);
        assert_eq!(split.next(), Ok(None));
        split.add(b"x");
        assert_eq!(split.next(), Err(TooLong));
    }
}
