use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, Response};
use serde_json::Value;
use switchyard_types::{ApiError, ErrorCode, WatchKind, WatchLine};
use tokio::time::{sleep, timeout};

use super::Client;

/// A server says something every five seconds; this long nothing means that it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bytes of one line: an object of the store and what is around it.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Between two tries to find the server again: doubled each time, up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What is followed, and from where.
pub(crate) struct Follow {
    path: String,
    query: Vec<(&'static str, String)>,
    /// The parameter that says from where, and the key of a bookmark that has its value.
    parameter: &'static str,
    bookmark: &'static str,
    from: Option<String>,
}

impl Follow {
    /// A list of the store, by resource versions.
    pub(crate) fn from_version(path: &str) -> Self {
        let (parameter, bookmark) = ("resourceVersion", "resourceVersion");
        Self { path: path.to_owned(), query: Vec::new(), parameter, bookmark, from: None }
    }

    /// The events that such a query chooses, by places.
    pub(crate) fn events(query: Vec<(&'static str, String)>) -> Self {
        Self { path: "events".to_owned(), query, parameter: "after", bookmark: "continue", from: None }
    }
}

/// Why a stream ended that may be begun again.
enum Ended {
    Gone,
    /// What it would go on from is not known there any more.
    Expired,
}

impl Client {
    /// Gives every line, bookmarks too, to `take`, for ever. A server that goes away is asked again from where it was.
    pub(crate) async fn follow(
        &self,
        mut follow: Follow,
        mut take: impl FnMut(&WatchLine) -> Result<()>,
    ) -> Result<()> {
        // The first time, that there is no server is an error like any other.
        let mut stream = Some(self.open(&follow).await?);
        let mut pause = RETRY_FIRST;
        loop {
            if let Some(stream) = stream.take() {
                pause = RETRY_FIRST;
                if let Ended::Expired = read(stream, &mut follow, &mut take).await? {
                    follow.from = None;
                }
            }
            eprintln!("the server has ended the watch; it is asked again");
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_LONGEST);
            stream = match self.open(&follow).await {
                Ok(stream) => Some(stream),
                Err(error) if is_passing(&error) => {
                    if code(&error) == Some(ErrorCode::Expired) {
                        follow.from = None;
                    }
                    None
                }
                Err(error) => return Err(error),
            };
        }
    }

    async fn open(&self, follow: &Follow) -> Result<Response> {
        let from = follow.from.iter().map(|from| (follow.parameter, from.clone()));
        let query: Vec<_> = [("watch", "1".to_owned())].into_iter().chain(follow.query.clone()).chain(from).collect();
        // No bound on the whole: it is read for as long as somebody wants.
        let request = self.request(Method::GET, &follow.path).query(&query).timeout(Duration::MAX);
        let response = self.send(request).await?;
        self.check(response).await
    }
}

/// Whether the same may succeed later: the server does not answer, or says so itself.
pub(crate) fn is_passing(error: &anyhow::Error) -> bool {
    code(error).is_none_or(|code| matches!(code, ErrorCode::Unavailable | ErrorCode::Busy | ErrorCode::Expired))
}

fn code(error: &anyhow::Error) -> Option<ErrorCode> {
    error.chain().find_map(|cause| cause.downcast_ref::<ApiError>()).map(|error| error.code)
}

async fn read(
    mut stream: Response,
    follow: &mut Follow,
    take: &mut impl FnMut(&WatchLine) -> Result<()>,
) -> Result<Ended> {
    let mut buffer = Vec::new();
    // A stream that breaks off is like one that ends.
    while let Ok(Ok(Some(chunk))) = timeout(SILENCE_MAX, stream.chunk()).await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let line: WatchLine = serde_json::from_slice(&line)
                .context("the server's answer is of another shape than this version knows")?;
            match line.kind {
                WatchKind::Bookmark => {
                    let place = line.object.get(follow.bookmark);
                    follow.from = place.map(|place| place.as_str().map_or_else(|| place.to_string(), str::to_owned));
                }
                WatchKind::Error => return ended(line.object),
                WatchKind::Added | WatchKind::Modified | WatchKind::Deleted => {}
            }
            take(&line)?;
        }
        if buffer.len() > LINE_BYTES_MAX {
            bail!("a line of the server's answer has more than {LINE_BYTES_MAX} bytes");
        }
    }
    Ok(Ended::Gone)
}

fn ended(object: Value) -> Result<Ended> {
    let error: ApiError = serde_json::from_value(object).context("the server ended the watch and did not say why")?;
    match error.code {
        ErrorCode::Expired => Ok(Ended::Expired),
        ErrorCode::Unavailable | ErrorCode::Busy => Ok(Ended::Gone),
        _ => Err(error.into()),
    }
}
