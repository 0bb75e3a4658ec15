use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::{bulk, info, reply};
use crate::{Leased, Tasks, TasksError, job, owner::Owner, workers::WorkerState};

/// How long a worker waits for a task: Faktory's, which clients allow for.
const FETCH_WAIT: Duration = Duration::from_secs(2);
const QUEUE_DEFAULT: &str = "default";
/// Characters of an unknown command that its error repeats.
const REPEATED_CHARS_MAX: usize = 40;

/// Who speaks.
#[derive(Debug)]
pub(super) struct Session {
    /// Who holds what it fetches.
    pub(super) owner: Owner,
}

#[derive(Deserialize)]
struct Ack {
    jid: String,
}

#[derive(Deserialize)]
struct Fail {
    jid: String,
    #[serde(default)]
    errtype: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    backtrace: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Beat {
    wid: String,
    #[serde(default)]
    current_state: Option<String>,
}

/// What a line asks of its connection.
#[derive(Debug)]
pub(super) enum Asked {
    /// The answer is written.
    Answered,
    /// The next task of these queues.
    Fetch(Vec<String>),
    /// It leaves.
    End,
}

/// Carries out a command and appends its answer. Only `FETCH` is left to the connection, which looks after the client while
/// it waits.
pub(super) async fn run(tasks: &Tasks, session: &Session, uptime: u64, line: &Bytes, out: &mut Vec<u8>) -> Asked {
    let verb_bytes = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let arguments = line.slice(line.len().min(verb_bytes + 1)..);
    let answer = match line.get(..verb_bytes).unwrap_or_default() {
        b"PUSH" => push(tasks, arguments, out).await,
        b"PUSHB" => push_bulk(tasks, &arguments, out).await,
        b"ACK" => acknowledge(tasks, session, &arguments, out).await,
        b"FAIL" => fail(tasks, session, &arguments, out).await,
        b"BEAT" => beat(tasks, &arguments, out),
        b"INFO" => {
            reply::bulk(out, Some(info::info(tasks, uptime).to_string().as_bytes()));
            Ok(())
        }
        b"FLUSH" => done(tasks.clear(None).await, out),
        b"QUEUE" => queue(tasks, &arguments, out).await,
        b"FETCH" => match queues(&arguments) {
            Ok(queues) => return Asked::Fetch(queues),
            Err(error) => Err(error),
        },
        b"END" => return Asked::End,
        other => Err(unknown(other)),
    };
    if let Err(message) = answer {
        reply::error(out, message);
    }
    Asked::Answered
}

fn unknown(verb: &[u8]) -> String {
    let verb: String = String::from_utf8_lossy(verb).chars().take(REPEATED_CHARS_MAX).collect();
    format!("unknown command {verb}")
}

fn done(result: Result<(), TasksError>, out: &mut Vec<u8>) -> Result<(), String> {
    result.map_err(|error| error.to_string())?;
    reply::ok(out);
    Ok(())
}

async fn push(tasks: &Tasks, job: Bytes, out: &mut Vec<u8>) -> Result<(), String> {
    done(tasks.push(job).await.map(drop), out)
}

/// The answer names the jobs that were not taken.
async fn push_bulk(tasks: &Tasks, array: &Bytes, out: &mut Vec<u8>) -> Result<(), String> {
    let jobs = bulk::split(array)?;
    let results = tasks.push_all(jobs.clone()).await.map_err(|error| error.to_string())?;
    let refused =
        jobs.iter().zip(results).filter_map(|(job, result)| Some((bulk::jid(job), result.err()?.to_string())));
    let refused: serde_json::Map<_, _> = refused.map(|(jid, reason)| (jid, reason.into())).collect();
    reply::bulk(out, Some(serde_json::Value::from(refused).to_string().as_bytes()));
    Ok(())
}

/// A job that its worker does not hold (any more) is nothing to it, as in Faktory: its answer is OK, and it is counted.
async fn acknowledge(tasks: &Tasks, session: &Session, json: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let ack: Ack = serde_json::from_slice(json).map_err(|error| format!("invalid ACK: {error}"))?;
    done(tasks.acknowledge_job(&session.owner, &ack.jid).await.map(drop), out)
}

async fn fail(tasks: &Tasks, session: &Session, json: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let fail: Fail = serde_json::from_slice(json).map_err(|error| format!("invalid FAIL: {error}"))?;
    let (kind, message) = (fail.errtype.unwrap_or_default(), fail.message.unwrap_or_default());
    let backtrace = fail.backtrace.unwrap_or_default();
    let failed = tasks.fail_job(&session.owner, &fail.jid, (&kind, &message), backtrace).await;
    let held = failed.and_then(|held| if held { Ok(()) } else { Err(TasksError::NotHeld(fail.jid)) });
    done(held, out)
}

fn beat(tasks: &Tasks, json: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let beat: Beat = serde_json::from_slice(json).map_err(|error| format!("invalid BEAT: {error}"))?;
    match beat.current_state.as_deref() {
        Some("quiet") => drop(tasks.workers().signal(&beat.wid, WorkerState::Quiet)),
        Some("terminate") => drop(tasks.workers().signal(&beat.wid, WorkerState::Terminate)),
        _ => {}
    }
    let state = tasks.workers().hear(&beat.wid).ok_or_else(|| unknown_worker(&beat.wid))?;
    match state {
        WorkerState::Running => reply::ok(out),
        WorkerState::Quiet => reply::bulk(out, Some(br#"{"state":"quiet"}"#)),
        WorkerState::Terminate => reply::bulk(out, Some(br#"{"state":"terminate"}"#)),
    }
    Ok(())
}

fn unknown_worker(wid: &str) -> String {
    format!("unknown worker {}", wid.chars().take(REPEATED_CHARS_MAX).collect::<String>())
}

fn queues(arguments: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(arguments).map_err(|_| "queue names are ASCII")?;
    let mut queues: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
    if queues.is_empty() {
        queues.push(QUEUE_DEFAULT.to_owned());
    }
    queues.iter().try_for_each(|queue| job::check_queue(queue)).map_err(|error| error.to_string())?;
    Ok(queues)
}

async fn queue(tasks: &Tasks, arguments: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let text = std::str::from_utf8(arguments).map_err(|_| "queue names are ASCII")?;
    let mut words = text.split_ascii_whitespace();
    let act = words.next().unwrap_or_default().to_ascii_uppercase();
    if !["PAUSE", "RESUME", "REMOVE"].contains(&act.as_str()) {
        return Err(format!("no such QUEUE subcommand: {}", act.chars().take(REPEATED_CHARS_MAX).collect::<String>()));
    }
    let mut names: Vec<String> = words.map(str::to_owned).collect();
    if names.iter().any(|name| name == "*") {
        names = tasks.figures().queues.keys().map(ToString::to_string).collect();
    }
    for name in &names {
        if act == "REMOVE" {
            tasks.clear(Some(name)).await.map_err(|error| error.to_string())?;
        }
        tasks.pause(name, act == "PAUSE").await.map_err(|error| error.to_string())?;
    }
    reply::ok(out);
    Ok(())
}

/// Waits for a task as this worker may: one that is to end gets none.
pub(super) async fn fetch(tasks: &Tasks, session: &Session, queues: &[String]) -> Result<Option<Leased>, TasksError> {
    let state = session.owner.wid().and_then(|wid| tasks.workers().hear(wid)).unwrap_or_default();
    if state != WorkerState::Running {
        tokio::time::sleep(FETCH_WAIT).await;
        return Ok(None);
    }
    let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
    tasks.fetch_for(&session.owner, &queues, FETCH_WAIT).await
}
