use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{
    clock::{Moment, wall_ms},
    task::{Failure, Task},
};

/// What stands where nothing is said.
const NULL: &str = "null";

/// What the server adds to a job when it hands it out, and only what the job does not say itself. The job as pushed stays
/// as it is, byte for byte; what is added stands behind it, in the same object, or in the place of a null.
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

/// What a job says itself; null: it has the name and says nothing.
#[derive(Default, Deserialize)]
struct Present<'a> {
    #[serde(borrow, default, deserialize_with = "even_null")]
    enqueued_at: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    queue: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    failure: Option<&'a RawValue>,
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Present<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        let field = match name {
            "enqueued_at" => self.enqueued_at,
            "queue" => self.queue,
            _ => self.failure,
        };
        field.map(RawValue::get)
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

    /// Whether a failure is among it, of which more may be on the disk.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
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
    let present: Present<'_> = serde_json::from_slice(&job).unwrap_or_default();
    // Of two fields of one name some readers take the first, others the last: what is there is not added again.
    let (mut said, mut missing) = (Vec::new(), Vec::new());
    for (name, value) in given.fields() {
        match present.field(name) {
            None => missing.push((name, value)),
            Some(NULL) => said.extend(present.field(name).map(|null| (offset(&job, null), value))),
            Some(_) => {}
        }
    }
    said.sort_unstable();
    let mut completed = BytesMut::with_capacity(job.len() + 256);
    let mut copied = 0;
    for (at, value) in said {
        completed.put_slice(body.get(copied..at).unwrap_or_default());
        completed.put_slice(value.as_bytes());
        copied = at + NULL.len();
    }
    completed.put_slice(body.get(copied..).unwrap_or_default());
    for (name, value) in missing {
        completed.put_slice(format!(",\"{name}\":{value}").as_bytes());
    }
    completed.put_u8(b'}');
    completed.freeze()
}

/// Where a part of the job begins in it.
fn offset(job: &[u8], part: &str) -> usize {
    part.as_ptr() as usize - job.as_ptr() as usize
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(job: &'static str, expected: &str) {
        let failure = Failure { failed_at_ms: 0, kind: "E".into(), message: "no".into(), backtrace: Vec::new() };
        let given = Given { queue: "q".into(), enqueued_ms: 0, attempt: 1, retry: 2, failure: Some(failure) };
        let completed = complete(Bytes::from_static(job.as_bytes()), &given);
        let failure =
            r#"{"retry_count":0,"remaining":1,"failed_at":"1970-01-01T00:00:00.000Z","message":"no","errtype":"E"}"#;
        let expected = expected.replace("TIME", r#""1970-01-01T00:00:00.000Z""#).replace("FAILURE", failure);
        assert_eq!(std::str::from_utf8(&completed), Ok(&*expected));
    }

    #[test]
    fn what_the_job_does_not_say_is_added_once() {
        check(r#"{"a":1}"#, r#"{"a":1,"enqueued_at":TIME,"queue":"q","failure":FAILURE}"#);
        check(r#"{"queue":"own","a":"null"}"#, r#"{"queue":"own","a":"null","enqueued_at":TIME,"failure":FAILURE}"#);
        check(
            r#"{"failure": null ,"queue":null,"enqueued_at":null}"#,
            r#"{"failure": FAILURE ,"queue":"q","enqueued_at":TIME}"#,
        );
    }
}
