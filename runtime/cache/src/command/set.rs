use super::{Call, Flow, expiry::Wall};
use crate::{Condition, Expiry, Write, Written, resp::parse_integer};

/// In what an expiry is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

/// The options of SET as they were given.
#[derive(Debug, Default)]
struct Options {
    absent: bool,
    present: bool,
    get: bool,
    keep: bool,
    expiry: Option<(Unit, usize)>,
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | KEEPTTL]`
pub(super) fn set(call: &mut Call<'_>) -> Flow {
    if call.arguments.len() == 3 {
        return write(call, Write::PLAIN);
    }
    let Some(options) = options(call) else { return call.syntax_error() };
    let expiry = match options.expiry {
        None if options.keep => Expiry::Keep,
        None => Expiry::Never,
        Some((unit, at)) => match parse_integer(call.arguments.get(at)) {
            None => return call.not_an_integer(),
            Some(amount) => match at_ms(call.now_ms, unit, amount) {
                None => return call.error("ERR invalid expire time in 'set' command"),
                Some(at_ms) => Expiry::AtMs(at_ms),
            },
        },
    };
    let condition = match (options.absent, options.present) {
        (true, _) => Condition::Absent,
        (_, true) => Condition::Present,
        _ => Condition::Always,
    };
    write(call, Write { expiry, condition, read_old: options.get })
}

fn write(call: &mut Call<'_>, write: Write) -> Flow {
    match call.cache.set(call.now_ms, call.arguments.get(1), call.arguments.get(2), write) {
        Written::TooLarge => call.too_large(),
        Written::Done(old) | Written::Declined(old) if write.read_old => call.write_read(old),
        Written::Done(_) => call.ok(),
        Written::Declined(_) => call.write_read(None),
    }
}

fn options(call: &Call<'_>) -> Option<Options> {
    let mut options = Options::default();
    let mut at = 3;
    while at < call.arguments.len() {
        let timed = |unit: Unit| options.expiry.is_none_or(|(given, _)| given == unit) && !options.keep;
        if call.is(at, "nx") && !options.present {
            options.absent = true;
        } else if call.is(at, "xx") && !options.absent {
            options.present = true;
        } else if call.is(at, "get") {
            options.get = true;
        } else if call.is(at, "keepttl") && options.expiry.is_none() {
            options.keep = true;
        } else {
            let unit = unit(call, at).filter(|unit| timed(*unit))?;
            at += 1;
            call.arguments.find(at)?;
            options.expiry = Some((unit, at));
        }
        at += 1;
    }
    Some(options)
}

fn unit(call: &Call<'_>, at: usize) -> Option<Unit> {
    [("ex", Unit::Seconds), ("px", Unit::Milliseconds), ("exat", Unit::UnixSeconds), ("pxat", Unit::UnixMilliseconds)]
        .into_iter()
        .find(|(name, _)| call.is(at, name))
        .map(|(_, unit)| unit)
}

/// The time on the cache's clock; none where Redis calls the amount invalid.
fn at_ms(now_ms: u64, unit: Unit, amount: i64) -> Option<u64> {
    let seconds = matches!(unit, Unit::Seconds | Unit::UnixSeconds);
    let amount_ms = if seconds { amount.checked_mul(1_000)? } else { amount };
    if amount_ms <= 0 {
        return None;
    }
    let wall = Wall::now();
    match unit {
        Unit::UnixSeconds | Unit::UnixMilliseconds => Some(wall.to_clock(now_ms, amount_ms)),
        _ => Some(wall.to_clock(now_ms, wall.unix_ms().checked_add(amount_ms)?)),
    }
}
