use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    clock::{Moment, wall_ms},
    task::{Failure, Task},
};

/// What the server adds to a job when it hands it out, and only what the job does not say itself. The job as pushed stays
/// as it is, byte for byte; what is added stands behind it, in the same object.
#[derive(Debug)]
pub(crate) struct Given {
    queue: String,
    enqueued_ms: u64,
    attempt: u32,
    retry: i32,
    failure: Option<Failure>,
}

/// A failure as Faktory's clients read it.
#[derive(Serialize)]
struct Past<'a> {
    retry_count: u32,
    remaining: u32,
    failed_at: String,
    message: &'a str,
    errtype: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    backtrace: &'a [String],
}

/// Whether a job says it itself.
#[derive(Default, Deserialize)]
struct Present {
    enqueued_at: Option<IgnoredAny>,
    queue: Option<IgnoredAny>,
    failure: Option<IgnoredAny>,
}

impl Present {
    fn has(&self, name: &str) -> bool {
        let field = match name {
            "enqueued_at" => &self.enqueued_at,
            "queue" => &self.queue,
            _ => &self.failure,
        };
        field.is_some()
    }
}

impl Given {
    pub(crate) fn of(task: &Task, moment: Moment) -> Self {
        Self {
            queue: task.queue.to_string(),
            enqueued_ms: moment.to_wall(task.accepted_ms),
            attempt: task.attempt,
            retry: task.retry,
            failure: task.failure.as_deref().cloned().filter(|_| task.attempt > 0),
        }
    }

    /// With the whole of its failure.
    pub(crate) fn with_failure(self, whole: impl FnOnce(Failure) -> Failure) -> Self {
        Self { failure: self.failure.map(whole), ..self }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("enqueued_at", text(&time(self.enqueued_ms))), ("queue", text(&self.queue))];
        if let Some(failure) = &self.failure {
            let past = Past {
                // Faktory counts the retries that failed, not the failures.
                retry_count: self.attempt.saturating_sub(1),
                remaining: u32::try_from(self.retry).unwrap_or(0).saturating_sub(self.attempt),
                failed_at: time(failure.failed_at_ms),
                message: &failure.message,
                errtype: &failure.kind,
                backtrace: &failure.backtrace,
            };
            fields.extend(serde_json::to_string(&past).ok().map(|past| ("failure", past)));
        }
        fields
    }
}

/// The job with what is added to it.
pub(crate) fn complete(job: Bytes, given: &Given) -> Bytes {
    let Some(body) = job.trim_ascii_end().strip_suffix(b"}") else { return job };
    let present: Present = serde_json::from_slice(&job).unwrap_or_default();
    let mut completed = BytesMut::with_capacity(job.len() + 256);
    completed.put_slice(body);
    for (name, value) in given.fields() {
        // Of two fields of one name some readers take the first, others the last.
        if !present.has(name) {
            completed.put_slice(format!(",\"{name}\":{value}").as_bytes());
        }
    }
    completed.put_u8(b'}');
    completed.freeze()
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A time of day in the form of RFC 3339.
pub(crate) fn time(at_ms: u64) -> String {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The time of day now, in the form of RFC 3339.
pub(crate) fn now() -> String {
    time(wall_ms())
}
