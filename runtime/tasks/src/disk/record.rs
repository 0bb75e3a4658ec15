use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    LeaseId, TaskId, TasksError,
    job::Hints,
    rank::Rank,
    task::{Failure, Lease, Phase, Task},
};

/// A task as it stands on disk: JSON, so that a later version can add to it.
///
/// Times that are to come are kept as what was left of them and the time of day at which that was so. A start takes the
/// time that has passed from what was left, and no more than that: a clock that was set back takes nothing.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    jid: Cow<'a, str>,
    kind: Cow<'a, str>,
    queue: Cow<'a, str>,
    priority: u8,
    retry: i32,
    reserve_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    estimate_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    tenant: u32,
    width: u32,
    accepted_ms: u64,
    attempt: u32,
    /// The bits of the number: its digits might be read back as a neighbour of it.
    rank: u64,
    saved_ms: u64,
    phase: Saved<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Cow<'a, Failure>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Saved<'a> {
    Ready { left_ms: u64 },
    Leased { lease: u64, worker: Cow<'a, str>, held_ms: u64, left_ms: u64 },
    Dead { for_ms: u64 },
}

/// A task's record. `now_ms` is by the clock of the tasks, `wall_ms` the time of day.
pub(crate) fn encode(task: &Task, now_ms: u64, wall_ms: u64) -> Result<Vec<u8>, TasksError> {
    let record = Record {
        jid: Cow::Borrowed(&task.jid),
        kind: Cow::Borrowed(&task.kind),
        queue: Cow::Borrowed(&task.queue),
        priority: task.priority,
        retry: task.retry,
        reserve_ms: task.reserve_ms,
        estimate_ms: task.hints.estimate_ms,
        deadline_ms: task.hints.deadline_ms,
        tenant: task.hints.tenant,
        width: task.hints.width,
        accepted_ms: task.accepted_ms,
        attempt: task.attempt,
        rank: task.rank.value().to_bits(),
        saved_ms: wall_ms,
        phase: save(&task.phase, now_ms),
        failure: task.failure.as_deref().map(Cow::Borrowed),
    };
    let wrong = |error| TasksError::Format(format!("task {} cannot be written: {error}", task.id));
    serde_json::to_vec(&record).map_err(wrong)
}

fn save(phase: &Phase, now_ms: u64) -> Saved<'_> {
    match phase {
        Phase::Waiting => Saved::Ready { left_ms: 0 },
        Phase::Arriving { due_ms } | Phase::Delayed { due_ms } => {
            Saved::Ready { left_ms: due_ms.saturating_sub(now_ms) }
        }
        Phase::Leased(lease) => Saved::Leased {
            lease: lease.id.0,
            worker: Cow::Borrowed(&lease.worker),
            held_ms: now_ms.saturating_sub(lease.since_ms),
            left_ms: lease.until_ms.saturating_sub(now_ms),
        },
        Phase::Dead { since_ms } => Saved::Dead { for_ms: now_ms.saturating_sub(*since_ms) },
    }
}

/// Reads a record back.
pub(crate) fn decode(id: TaskId, bytes: &[u8], now_ms: u64, wall_ms: u64) -> Result<Task, TasksError> {
    let wrong = |reason: &dyn std::fmt::Display| TasksError::Format(format!("task {id} cannot be read: {reason}"));
    let record: Record<'_> = serde_json::from_slice(bytes).map_err(|error| wrong(&error))?;
    let passed_ms = wall_ms.saturating_sub(record.saved_ms);
    let Record { estimate_ms, deadline_ms, tenant, width, .. } = record;
    Ok(Task {
        id,
        jid: Arc::from(record.jid),
        kind: Arc::from(record.kind),
        queue: Arc::from(record.queue),
        priority: record.priority,
        retry: record.retry,
        reserve_ms: record.reserve_ms,
        hints: Hints { estimate_ms, deadline_ms, tenant, width },
        accepted_ms: record.accepted_ms.min(now_ms),
        // When a wait before the start began is not kept.
        ready_ms: now_ms,
        attempt: record.attempt,
        rank: Rank::new(f64::from_bits(record.rank)).ok_or_else(|| wrong(&"its rank is no number"))?,
        phase: restore(record.phase, now_ms, passed_ms),
        failure: record.failure.map(|failure| Box::new(failure.into_owned())),
    })
}

fn restore(saved: Saved<'_>, now_ms: u64, passed_ms: u64) -> Phase {
    let ahead = |left_ms: u64| now_ms.saturating_add(left_ms.saturating_sub(passed_ms));
    match saved {
        Saved::Ready { left_ms } if left_ms <= passed_ms => Phase::Waiting,
        Saved::Ready { left_ms } => Phase::Delayed { due_ms: ahead(left_ms) },
        Saved::Leased { lease, worker, held_ms, left_ms } => Phase::Leased(Lease {
            id: LeaseId(lease),
            worker: Arc::from(worker),
            since_ms: now_ms.saturating_sub(held_ms.saturating_add(passed_ms)),
            until_ms: ahead(left_ms),
        }),
        Saved::Dead { for_ms } => Phase::Dead { since_ms: now_ms.saturating_sub(for_ms.saturating_add(passed_ms)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(phase: Phase) -> Task {
        let hints = Hints { estimate_ms: Some(7), deadline_ms: None, tenant: 3, width: 2 };
        let failure =
            Failure { failed_at_ms: 1, kind: "E".into(), message: "no\n".into(), backtrace: vec!["a".into()] };
        Task {
            id: TaskId(9),
            jid: "12345678".into(),
            kind: "kind".into(),
            queue: "queue".into(),
            priority: 4,
            retry: -1,
            reserve_ms: 60_000,
            hints,
            accepted_ms: 900,
            ready_ms: 900,
            attempt: 2,
            rank: Rank::new(0.1 + 0.2).unwrap(),
            phase,
            failure: Some(Box::new(failure)),
        }
    }

    /// Saved at 1,000 by the clock and 50,000 by the day; read at 10,000 and a time of day.
    fn check(phase: Phase, read_wall_ms: u64, expected: Phase) {
        let record = encode(&task(phase), 1_000, 50_000).unwrap();
        let read = decode(TaskId(9), &record, 10_000, read_wall_ms).unwrap();
        assert_eq!(read.phase, expected);
        assert_eq!(
            (read.rank, read.hints, read.failure),
            (task(Phase::Waiting).rank, task(Phase::Waiting).hints, task(Phase::Waiting).failure)
        );
    }

    #[test]
    fn what_was_left_is_aged_by_what_has_passed() {
        check(Phase::Waiting, 50_000, Phase::Waiting);
        check(Phase::Arriving { due_ms: 0 }, 50_000, Phase::Waiting);
        check(Phase::Delayed { due_ms: 1_500 }, 50_100, Phase::Delayed { due_ms: 10_400 });
        check(Phase::Delayed { due_ms: 1_500 }, u64::MAX, Phase::Waiting);
        // A clock that was set back takes nothing.
        check(Phase::Delayed { due_ms: 1_500 }, 3, Phase::Delayed { due_ms: 10_500 });
        check(Phase::Dead { since_ms: 400 }, 50_100, Phase::Dead { since_ms: 9_300 });
        let lease =
            |since_ms, until_ms| Phase::Leased(Lease { id: LeaseId(5), worker: "w".into(), since_ms, until_ms });
        check(lease(900, 61_000), 51_000, lease(8_900, 69_000));
        check(lease(900, 61_000), u64::MAX, lease(0, 10_000));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for wrong in [&b""[..], b"{}", b"null", &encode(&task(Phase::Waiting), 0, 0).unwrap()[1..]] {
            assert!(matches!(decode(TaskId(1), wrong, 0, 0), Err(TasksError::Format(_))));
        }
    }
}
