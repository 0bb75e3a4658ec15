use std::time::{SystemTime, UNIX_EPOCH};

use super::{Call, Flow};
use crate::resp::parse_integer;

/// The wall clock at one moment: for times that clients give by it, and for Redis's idea of a time that is too far away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wall {
    unix_ms: i64,
}

impl Wall {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    pub(super) fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The same moment on the cache's clock. What has passed becomes now.
    pub(super) fn to_clock(self, now_ms: u64, unix_ms: i64) -> u64 {
        now_ms.saturating_add(u64::try_from(unix_ms.saturating_sub(self.unix_ms)).unwrap_or(0))
    }
}

/// Options of EXPIRE.
#[derive(Debug, Default)]
struct Only {
    without: bool,
    with: bool,
    later: bool,
    earlier: bool,
}

impl Only {
    /// Whether a new time may replace this one; [`u64::MAX`] is never.
    fn allows(&self, current: u64, wanted: u64) -> bool {
        let has = current != u64::MAX;
        !(self.without && has
            || self.with && !has
            || self.later && wanted <= current
            || self.earlier && wanted >= current)
    }
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(call: &mut Call<'_>) -> Flow {
    let mut only = Only::default();
    for (at, option) in (3..).zip(call.arguments.from(3)) {
        let place =
            [("nx", &mut only.without), ("xx", &mut only.with), ("gt", &mut only.later), ("lt", &mut only.earlier)]
                .into_iter()
                .find(|(name, _)| call.is(at, name));
        let Some((_, given)) = place else {
            call.writer.error(&[b"ERR Unsupported option ", option].concat());
            return Flow::Done;
        };
        *given = true;
    }
    if only.without && (only.with || only.later || only.earlier) {
        return call.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    }
    if only.later && only.earlier {
        return call.error("ERR GT and LT options at the same time are not compatible");
    }
    let Some(seconds) = parse_integer(call.arguments.get(2)) else { return call.not_an_integer() };
    let wall = Wall::now();
    let Some(unix_ms) = seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(wall.unix_ms())) else {
        return call.error("ERR invalid expire time in 'expire' command");
    };
    let at_ms = wall.to_clock(call.now_ms, unix_ms);
    let changed = call.cache.expire(call.now_ms, call.arguments.get(1), at_ms, |current| only.allows(current, at_ms));
    call.integer(changed.into())
}

/// `TTL key`: seconds, rounded; -1: it does not expire; -2: there is no such key.
pub(super) fn ttl(call: &mut Call<'_>) -> Flow {
    left(call, |ms| ms.saturating_add(500) / 1_000)
}

/// `PTTL key`
pub(super) fn pttl(call: &mut Call<'_>) -> Flow {
    left(call, |ms| ms)
}

fn left(call: &mut Call<'_>, scale: impl FnOnce(u64) -> u64) -> Flow {
    let left = match call.cache.ttl_ms(call.now_ms, call.arguments.get(1)) {
        None => -2,
        Some(None) => -1,
        Some(Some(ms)) => i64::try_from(scale(ms)).unwrap_or(i64::MAX),
    };
    call.integer(left)
}
