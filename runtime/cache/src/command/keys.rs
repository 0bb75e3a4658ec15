use super::{Call, Flow, KEYS_PER_TURN, Progress};

/// `DEL key [key ...]`
pub(super) fn del(call: &mut Call<'_>) -> Flow {
    count(call, |call, key| call.cache.remove(call.now_ms, key))
}

/// `EXISTS key [key ...]`. A key that is named twice counts twice.
pub(super) fn exists(call: &mut Call<'_>) -> Flow {
    count(call, |call, key| call.cache.contains(call.now_ms, key))
}

/// How many of the keys `act` is true of, some keys a turn.
fn count(call: &mut Call<'_>, act: impl Fn(&Call<'_>, &[u8]) -> bool) -> Flow {
    let start = call.progress.next.max(1);
    let mut count = call.progress.count;
    for (at, key) in (start..).zip(call.arguments.from(start)) {
        if at - start >= KEYS_PER_TURN {
            return Flow::More(Progress { next: at, count });
        }
        count += i64::from(act(call, key));
    }
    call.integer(count)
}

/// `DBSIZE`. What has expired and was not yet swept counts, as in Redis.
pub(super) fn dbsize(call: &mut Call<'_>) -> Flow {
    let entries = call.cache.figures().entries;
    call.integer(entries as i64)
}

/// `FLUSHDB [ASYNC|SYNC]`. Either way other clients are served meanwhile.
pub(super) fn flushdb(call: &mut Call<'_>) -> Flow {
    let words = call.arguments.len();
    if words > 2 || words == 2 && !call.is(1, "async") && !call.is(1, "sync") {
        return call.syntax_error();
    }
    let cache = call.cache.clone();
    Flow::Apart(Box::new(move || {
        cache.clear();
        b"+OK\r\n".to_vec()
    }))
}
