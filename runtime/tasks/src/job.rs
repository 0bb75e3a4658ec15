use std::{borrow::Cow, fmt};

use chrono::DateTime;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{TasksError, sound::Sound};

/// Characters of a job's id: below, it could not be unique; Faktory draws the same line.
const JID_CHARS_MIN: usize = 8;
/// Bytes of a job's id, type, or queue: names, not data.
const NAME_BYTES_MAX: usize = 256;
/// How long a worker may hold a job that says nothing, in seconds: Faktory's.
const RESERVE_SECONDS_DEFAULT: u64 = 1_800;
/// The shortest hold; a shorter one is lengthened, as Faktory does.
const RESERVE_SECONDS_MIN: u64 = 60;
/// The longest hold: a day.
const RESERVE_SECONDS_MAX: u64 = 86_400;
/// How often a job that says nothing is tried again: Faktory's.
const RETRY_DEFAULT: i32 = 25;
const PRIORITY_DEFAULT: u8 = 5;
const QUEUE_DEFAULT: &str = "default";

/// What a job says about itself, read once when it is pushed. The job itself is kept as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) jid: String,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) priority: u8,
    /// Attempts after the first one; 0: a failed job is forgotten; less: it goes to the dead letters at once.
    pub(crate) retry: i32,
    pub(crate) reserve_ms: u64,
    /// The time of day at which it may run, in milliseconds.
    pub(crate) at_ms: Option<u64>,
    pub(crate) hints: Hints,
}

/// What a job tells a strategy in its `custom` object: `estimate_ms`, `deadline` (RFC 3339), `tenant` (a name or a number),
/// `width`. The object is the application's own: what is there and means something else is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hints {
    pub(crate) estimate_ms: Option<u64>,
    /// A time of day, in milliseconds.
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) tenant: u32,
    pub(crate) width: u32,
}

#[derive(Default)]
struct Raw<'a> {
    jid: Option<Text<'a>>,
    jobtype: Option<Text<'a>>,
    args: Option<Vec<Sound>>,
    queue: Option<Text<'a>>,
    priority: Option<i64>,
    retry: Option<i64>,
    reserve_for: Option<i64>,
    at: Option<Text<'a>>,
    custom: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Not derived, which would pass over the fields that are not named here without looking whether they can be read.
impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a job, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Raw<'de>, A::Error> {
        let mut raw = Raw::default();
        while let Some(Text(name)) = fields.next_key()? {
            match &*name {
                "jid" => once(&mut raw.jid, "jid", &mut fields)?,
                "jobtype" => once(&mut raw.jobtype, "jobtype", &mut fields)?,
                "args" => once(&mut raw.args, "args", &mut fields)?,
                "queue" => once(&mut raw.queue, "queue", &mut fields)?,
                "priority" => once(&mut raw.priority, "priority", &mut fields)?,
                "retry" => once(&mut raw.retry, "retry", &mut fields)?,
                "reserve_for" => once(&mut raw.reserve_for, "reserve_for", &mut fields)?,
                "at" => once(&mut raw.at, "at", &mut fields)?,
                "custom" => once(&mut raw.custom, "custom", &mut fields)?,
                _ => {
                    fields.next_value::<Sound>()?;
                }
            }
        }
        Ok(raw)
    }
}

/// Of two fields of one name some readers take the first, others the last.
fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    field: &mut Option<T>,
    name: &'static str,
    fields: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *field = fields.next_value()?;
    Ok(())
}

impl Job {
    /// Reads a job of the Faktory work protocol.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, TasksError> {
        let invalid = |reason: &dyn fmt::Display| wrong(format!("invalid JSON: {reason}"));
        let text = std::str::from_utf8(payload).map_err(|error| invalid(&error))?;
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| invalid(&error))?;
        let (jid, kind) = names(raw.jid, raw.jobtype)?;
        if raw.args.is_none() {
            return Err(wrong("jobs must have an args parameter"));
        }
        let queue = said(raw.queue).unwrap_or(Cow::Borrowed(QUEUE_DEFAULT));
        check_queue(&queue)?;
        Ok(Self {
            queue: queue.into_owned(),
            priority: priority(raw.priority)?,
            retry: raw.retry.map_or(RETRY_DEFAULT, |retry| retry.clamp(-1, i64::from(i32::MAX)) as i32),
            reserve_ms: reserve_ms(raw.reserve_for)?,
            at_ms: said(raw.at).map(|at| time("at", &at)).transpose()?,
            hints: Hints::read(&raw.custom.unwrap_or_default()),
            jid,
            kind,
        })
    }
}

/// A text that is there and not empty.
fn said(text: Option<Text<'_>>) -> Option<Cow<'_, str>> {
    text.map(|Text(text)| text).filter(|text| !text.is_empty())
}

fn names(jid: Option<Text<'_>>, kind: Option<Text<'_>>) -> Result<(String, String), TasksError> {
    let jid = said(jid).unwrap_or_default();
    if jid.chars().count() < JID_CHARS_MIN {
        return Err(wrong("jobs must have a reasonable jid parameter"));
    }
    let kind = said(kind).ok_or_else(|| wrong("jobs must have a jobtype parameter"))?;
    if jid.len() > NAME_BYTES_MAX || kind.len() > NAME_BYTES_MAX {
        return Err(wrong(format!("jid and jobtype have at most {NAME_BYTES_MAX} bytes")));
    }
    Ok((jid.into_owned(), kind.into_owned()))
}

/// Queue names are those of Faktory: letters, digits, and `.`, `_`, `-`.
pub(crate) fn check_queue(queue: &str) -> Result<(), TasksError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if queue.is_empty() || queue.len() > NAME_BYTES_MAX || !queue.bytes().all(allowed) {
        let message = "queue names must match /[a-zA-Z0-9._-]+/ and have at most";
        return Err(wrong(format!("{message} {NAME_BYTES_MAX} characters")));
    }
    Ok(())
}

fn priority(given: Option<i64>) -> Result<u8, TasksError> {
    match given {
        // Clients that have no priority send 0.
        None | Some(0) => Ok(PRIORITY_DEFAULT),
        Some(priority @ 1..=9) => Ok(priority as u8),
        Some(other) => Err(wrong(format!("priority is {other}: expected 1 to 9"))),
    }
}

fn reserve_ms(given: Option<i64>) -> Result<u64, TasksError> {
    let seconds = match given {
        None | Some(0) => RESERVE_SECONDS_DEFAULT,
        Some(seconds) => u64::try_from(seconds).unwrap_or(0).max(RESERVE_SECONDS_MIN),
    };
    if seconds > RESERVE_SECONDS_MAX {
        return Err(wrong("jobs cannot be reserved for more than one day"));
    }
    Ok(seconds * 1_000)
}

fn time(field: &str, text: &str) -> Result<u64, TasksError> {
    read_time(text).ok_or_else(|| wrong(format!("invalid timestamp for '{field}': expected RFC 3339")))
}

/// Times before 1970 are past, like any other.
fn read_time(text: &str) -> Option<u64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| u64::try_from(time.timestamp_millis()).unwrap_or(0))
}

impl Hints {
    fn read(custom: &Map<String, Value>) -> Self {
        let number = |key: &str| custom.get(key).and_then(Value::as_u64);
        Self {
            estimate_ms: number("estimate_ms"),
            deadline_ms: custom.get("deadline").and_then(Value::as_str).and_then(read_time),
            tenant: custom.get("tenant").map_or(0, tenant),
            width: number("width").and_then(|width| u32::try_from(width).ok()).unwrap_or(1).max(1),
        }
    }
}

/// A number for a tenant: its own, or FNV-1a of its name. It only has to be the same every time.
fn tenant(value: &Value) -> u32 {
    let hash = |name: &str| {
        name.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let number = || value.as_u64().and_then(|number| u32::try_from(number).ok());
    value.as_str().map(hash).or_else(number).unwrap_or(0)
}

fn wrong(message: impl Into<String>) -> TasksError {
    TasksError::Invalid(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_says_nothing_gets_the_defaults() {
        let job = Job::parse(br#"{"jid":"12345678","jobtype":"x","args":[],"queue":"","at":"","retry":null}"#).unwrap();
        let hints = Hints { estimate_ms: None, deadline_ms: None, tenant: 0, width: 1 };
        let (jid, kind, queue) = ("12345678".into(), "x".into(), "default".into());
        let expected = Job { jid, kind, queue, priority: 5, retry: 25, reserve_ms: 1_800_000, at_ms: None, hints };
        assert_eq!(job, expected);
    }

    #[test]
    fn a_job_that_says_everything_is_heard() {
        let job = Job::parse(
            br#"{"jid":"abcd\u00e9fgh","jobtype":"resize","args":[1,{"a":[]}],"queue":"video.high-1_x","priority":9,"retry":0,
            "reserve_for":5,"at":"2026-01-01T02:00:00.5+02:00","created_at":"x","unknown":1,
            "custom":{"estimate_ms":1500,"deadline":"1970-01-01T00:00:01Z","tenant":"acme","width":4,"more":null}}"#,
        )
        .unwrap();
        assert_eq!((job.priority, job.retry, job.reserve_ms), (9, 0, 60_000));
        assert_eq!((job.at_ms, job.queue.as_str()), (Some(1_767_225_600_500), "video.high-1_x"));
        assert_eq!((job.hints.estimate_ms, job.hints.deadline_ms, job.hints.width), (Some(1_500), Some(1_000), 4));
        assert_ne!(job.hints.tenant, 0);
    }

    fn check_refused(json: &str, expected: &str) {
        let error = Job::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }

    #[test]
    fn what_is_no_job_is_refused_with_a_reason() {
        let with = |more: &str| format!(r#"{{"jid":"12345678","jobtype":"x","args":[]{more}}}"#);
        check_refused("", "invalid JSON");
        check_refused("[]", "JSON");
        check_refused(r#"["12345678","x",[]]"#, "JSON");
        check_refused(r#"{"jid":"1234567","jobtype":"x","args":[]}"#, "reasonable jid");
        check_refused(r#"{"jid":12345678,"jobtype":"x","args":[]}"#, "invalid type");
        check_refused(r#"{"jid":"12345678","args":[]}"#, "jobtype");
        check_refused(r#"{"jid":"12345678","jobtype":"x"}"#, "args");
        check_refused(r#"{"jid":"12345678","jobtype":"x","args":{}}"#, "invalid type");
        check_refused(&with(r#","queue":"a b""#), "queue names");
        check_refused(&with(&format!(r#","queue":"{}""#, "q".repeat(257))), "256");
        check_refused(&with(r#","priority":10"#), "1 to 9");
        check_refused(&with(r#","reserve_for":86401"#), "one day");
        check_refused(&with(r#","at":"tomorrow""#), "'at'");
        check_refused(&with(&format!(r#","custom":{}1{}"#, "[".repeat(200), "]".repeat(200))), "invalid");
        check_refused(&with(r#","jid":"87654321""#), "duplicate field");
    }

    /// One such job would end every worker that takes it, one after the other.
    #[test]
    fn what_a_worker_could_not_read_is_refused_wherever_it_stands() {
        for value in [r#""\ud800""#, "1e999", &format!("{}{}", "[".repeat(200), "]".repeat(200))] {
            for (args, more) in [(value, "null"), ("1", value)] {
                let job = format!(r#"{{"jid":"12345678","jobtype":"x","args":[{args}],"more":{more}}}"#);
                check_refused(&job, "invalid JSON");
            }
            check_refused(
                &format!(r#"{{"jid":"12345678","jobtype":"x","args":[],"custom":{{"a":{value}}}}}"#),
                "invalid",
            );
        }
        let bytes = b"{\"jid\":\"12345678\",\"jobtype\":\"x\",\"args\":[\"\xff\xfe\"]}";
        assert!(Job::parse(bytes).unwrap_err().to_string().contains("invalid JSON"));
    }
}
