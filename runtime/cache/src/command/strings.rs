use super::{Call, Flow, KEYS_PER_TURN, Progress};
use crate::{Write, Written, resp::parse_integer};

/// Output after which MGET lets what it has be written.
const TURN_BYTES: usize = 64 << 10;

/// `GET key`
pub(super) fn get(call: &mut Call<'_>) -> Flow {
    match call.write_value(call.arguments.get(1)) {
        None => Flow::Done,
        Some(large) => Flow::Value(large, None),
    }
}

/// `MGET key [key ...]`
pub(super) fn mget(call: &mut Call<'_>) -> Flow {
    let first = call.progress.next;
    if first == 0 {
        call.writer.array(call.arguments.len() - 1);
    }
    let start = first.max(1);
    for (at, key) in (start..).zip(call.arguments.from(start)) {
        if at - start >= KEYS_PER_TURN || call.writer.len() >= TURN_BYTES {
            return Flow::More(Progress { next: at, count: 0 });
        }
        if let Some(large) = call.write_value(key) {
            let next = at + 1;
            return Flow::Value(large, (next < call.arguments.len()).then_some(Progress { next, count: 0 }));
        }
    }
    Flow::Done
}

/// `MSET key value [key value ...]`. All or none where a value can never fit; other clients may see some of the new
/// values before the others.
pub(super) fn mset(call: &mut Call<'_>) -> Flow {
    let words = call.arguments.len();
    if words.is_multiple_of(2) {
        return call.wrong_number("mset");
    }
    if call.progress.next == 0 && !all_fit(call) {
        return call.too_large();
    }
    let start = call.progress.next.max(1);
    for (turn, at) in (start..words).step_by(2).enumerate() {
        if turn >= KEYS_PER_TURN {
            return Flow::More(Progress { next: at, count: 0 });
        }
        let (key, value) = (call.arguments.get(at), call.arguments.get(at + 1));
        if let Written::TooLarge = call.cache.set(call.now_ms, key, value, Write::PLAIN) {
            return call.too_large();
        }
    }
    call.ok()
}

fn all_fit(call: &Call<'_>) -> bool {
    let words = call.arguments;
    (1..words.len()).step_by(2).all(|at| call.cache.could_hold(words.get(at), words.get(at + 1).len()))
}

/// Why a value cannot be counted up.
enum NotCounted {
    NotAnInteger,
    Overflow,
}

/// `INCR key`
pub(super) fn incr(call: &mut Call<'_>) -> Flow {
    count(call, 1)
}

/// `DECR key`
pub(super) fn decr(call: &mut Call<'_>) -> Flow {
    count(call, -1)
}

/// `INCRBY key increment`. Clients' own `incr` sends this one.
pub(super) fn incrby(call: &mut Call<'_>) -> Flow {
    match parse_integer(call.arguments.get(2)) {
        Some(step) => count(call, step),
        None => call.not_an_integer(),
    }
}

/// `DECRBY key decrement`
pub(super) fn decrby(call: &mut Call<'_>) -> Flow {
    match parse_integer(call.arguments.get(2)).map(i64::checked_neg) {
        Some(Some(step)) => count(call, step),
        Some(None) => call.error("ERR decrement would overflow"),
        None => call.not_an_integer(),
    }
}

fn count(call: &mut Call<'_>, step: i64) -> Flow {
    let mut sum = 0;
    let written = call.cache.update(call.now_ms, call.arguments.get(1), |old| {
        let old = old.map_or(Some(0), parse_integer).ok_or(NotCounted::NotAnInteger)?;
        sum = old.checked_add(step).ok_or(NotCounted::Overflow)?;
        Ok(itoa::Buffer::new().format(sum).as_bytes().to_vec())
    });
    match written {
        Ok(Written::TooLarge) => call.too_large(),
        Ok(_) => call.integer(sum),
        Err(NotCounted::NotAnInteger) => call.not_an_integer(),
        Err(NotCounted::Overflow) => call.error("ERR increment or decrement would overflow"),
    }
}
