use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Held, Tasks, payload};

/// What `INFO` answers: the shape that Faktory's clients read. `uptime` is in seconds.
pub(super) fn info(tasks: &Tasks, uptime: u64) -> Value {
    let figures = tasks.figures();
    let held = figures.held();
    let queues: BTreeMap<&str, u64> = figures.queues.iter().map(|(name, queue)| (&**name, queue.waiting)).collect();
    let now = payload::now();
    // The time without its day: `15:04:05 UTC`.
    let clock = now.get(11..19).unwrap_or_default();
    json!({
        "now": now,
        "server_utc_time": format!("{clock} UTC"),
        "faktory": {
            "total_failures": figures.failed,
            "total_processed": figures.done + figures.failed,
            "total_enqueued": held.waiting,
            "total_queues": figures.queues.len(),
            "queues": queues,
            "tasks": {},
            "sets": sets(&held),
        },
        "server": {
            "description": "Switchyard",
            "faktory_version": env!("CARGO_PKG_VERSION"),
            "uptime": uptime,
            "connections": figures.connections,
            "command_count": figures.commands,
            "used_memory_mb": memory_mb(),
        },
    })
}

/// Faktory tells failed tasks that wait from those that never ran; here both wait for their time.
fn sets(held: &Held) -> Value {
    json!({ "scheduled": held.delayed, "retries": 0, "dead": held.dead, "working": held.leased })
}

/// Memory that this process has, where the system tells.
fn memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
