//! The same commands to a real Redis and to the cache: the replies are the same, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use support::{Client, Redis, Serving, entries};

/// Commands whose replies must agree. A line of its own is sent to both; `#` begins a remark.
const SCRIPT: &str = r#"
PING
ping hello
PING a b
ECHO hi
ECHO
GET k
SET k v
GET k
get K
SET k ""
GET k
SET k v EX 100
TTL k
SET k v2 KEEPTTL
TTL k
SET k v3
TTL k
PTTL k
SET k v PX 100000
TTL k
SET k v EX 0
SET k v EX -1
SET k v PX 0
SET k v EX x
SET k v EX 9223372036854775807
SET k v PX 9223372036854775807
SET k v EX 9223372036854775
SET k v EX
SET k v EX 10 PX 10
SET k v EX 10 EX 20
SET k v NX XX
SET k v KEEPTTL EX 10
SET k v BOGUS
SET k v NX
SET n v NX
SET n w NX
SET m v XX
SET n w XX
GET n
SET n x GET
SET n y XX GET
SET n z NX GET
SET absent z XX GET
SET fresh z NX GET
SET fresh z GET NX EX 100
TTL fresh
SET e v EXAT 1
GET e
SET e v PXAT 1
GET e
SET e v EXAT 99999999999
GET e
SET e v EXAT 0
SET e v EXAT x
SET
SET k
GET
GET a b
MGET k n absent
MGET
MSET a 1 b 2
MSET a 1 b
MSET a
MSET
MGET a b
DEL a absent a
DEL
EXISTS b b absent
EXISTS
INCR c
INCR c
GET c
SET c 9223372036854775807
INCR c
SET c -1
INCR c
SET c abc
INCR c
SET c 01
INCR c
SET c ""
INCR c
INCR
SET c 10
INCRBY c 5
DECR c
DECRBY c 20
INCRBY c -9223372036854775808
DECRBY c -9223372036854775808
INCRBY c 1.5
INCRBY c
DECRBY c abc
DECR
SET c 5 EX 100
INCR c
TTL c
TTL absent
PTTL absent
TTL
EXPIRE absent 10
EXPIRE c 200
TTL c
EXPIRE c 100 GT
EXPIRE c 300 GT
EXPIRE c 400 LT
EXPIRE c 150 LT
TTL c
EXPIRE c 10 NX
EXPIRE c 10 XX
TTL c
SET c 5
EXPIRE c 10 GT
EXPIRE c 10 XX
EXPIRE c 10 LT
TTL c
SET c 5
EXPIRE c 10 NX
EXPIRE c 10 NX XX
EXPIRE c 10 GT LT
EXPIRE c 10 NX GT
EXPIRE c 10 XX LT
EXPIRE c 10 BOGUS
EXPIRE c 10 gt bogus
EXPIRE c x
EXPIRE c 9223372036854775807
EXPIRE c -9223372036854775808
EXPIRE c 9223372036854775
EXPIRE c
EXPIRE c 10 NX NX
EXPIRE c -1
EXISTS c
SET c 5
EXPIRE c 0
EXISTS c
DBSIZE
DBSIZE x
SELECT 0
SELECT 1
SELECT -1
SELECT x
SELECT 99999999999
SELECT
CLIENT
CLIENT BOGUS
CLIENT GETNAME
CLIENT SETNAME worker
CLIENT GETNAME
CLIENT SETNAME a b
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT ID x
CONFIG
CONFIG BOGUS
CONFIG GET
CONFIG GET save
CONFIG GET appendonly
CONFIG GET SAVE
CONFIG GET bogus
CONFIG GET databases
CONFIG GET max?lients
COMMAND BOGUS
COMMAND COUNT x
COMMAND DOCS bogus
COMMAND INFO bogus
COMMAND INFO bogus bogus
INFO bogus
HELLO 1
HELLO 4
HELLO x
HELLO 2 BOGUS
HELLO 2 SETNAME
HELLO 2 AUTH default
HELLO 2 AUTH nobody secret
QUIX
quix a b c
QUIX a-long-argument-that-goes-on-and-on-until-it-is-cut a-long-argument-that-goes-on-and-on-until-it-is-cut a-long-argument-that-goes-on-and-on-until-it-is-cut last
FLUSHDB BOGUS
FLUSHDB SYNC x
FLUSHDB ASYNC
DBSIZE
FLUSHDB
RESET
RESET x
GET k
QUIT
"#;

struct Pair {
    redis: Client,
    ours: Client,
}

impl Pair {
    fn check(&mut self, line: &str) {
        self.ours.send(&words(line));
        self.redis.send(&words(line));
        let (ours, redis) = (self.ours.reply(), self.redis.reply());
        let same = ours == redis || near(line, &ours, &redis);
        let show = |reply: &[u8]| reply.escape_ascii().to_string();
        assert!(same, "{line}\n  ours:  {}\n  redis: {}", show(&ours), show(&redis));
    }
}

fn words(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if word == "\"\"" { b"" } else { word.as_bytes() })
        .collect();
    support::request(&words)
}

/// Two clocks are read one after the other: what is left of a time to live may differ by a moment.
fn near(line: &str, ours: &[u8], redis: &[u8]) -> bool {
    let slack = if line.starts_with("TTL") { 2 } else { 2_000 };
    let number = |reply: &[u8]| std::str::from_utf8(reply).ok()?.trim().strip_prefix(':')?.parse::<i64>().ok();
    line.contains("TTL")
        && number(ours).zip(number(redis)).is_some_and(|(ours, redis)| ours > 0 && (ours - redis).abs() <= slack)
}

fn pair() -> (Serving, Redis) {
    (Serving::start(entries(100_000)), Redis::start())
}

fn lines() -> impl Iterator<Item = &'static str> {
    SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn commands_answer_as_redis_does() {
    let (serving, redis) = pair();
    for hello in ["PING", "HELLO 3"] {
        let mut pair = Pair { redis: redis.client(), ours: serving.client() };
        pair.redis.say(hello);
        pair.ours.say(hello);
        for line in lines() {
            pair.check(line);
        }
        assert_eq!((pair.ours.rest(), pair.redis.rest()), (vec![], vec![]), "QUIT closes");
    }
}

#[test]
fn a_greeting_has_the_fields_of_redis() {
    let (serving, redis) = pair();
    for line in ["HELLO", "HELLO 3 SETNAME me", "HELLO 2", "HELLO 3 AUTH default any SETNAME you"] {
        let (mut ours, mut theirs) = (serving.client(), redis.client());
        let without_id = |reply: String| {
            let (before, after) = reply.split_once("$2\r\nid\r\n:").expect("an id");
            format!("{before}{}", after.split_once("\r\n").expect("a line").1)
        };
        assert_eq!(without_id(ours.say_text(line)), without_id(theirs.say_text(line)), "{line}");
        assert_eq!(ours.say_text("CLIENT GETNAME"), theirs.say_text("CLIENT GETNAME"), "{line}");
        assert_ne!(ours.say_text("CLIENT ID"), serving.client().say_text("CLIENT ID"));
    }
}

#[test]
fn commands_are_described_as_in_redis() {
    let (serving, redis) = pair();
    let (mut ours, mut theirs) = (serving.client(), redis.client());
    for name in [
        "get", "set", "mget", "mset", "del", "exists", "expire", "incr", "incrby", "decr", "decrby", "ttl", "pttl",
        "ping", "echo", "dbsize",
    ] {
        // Name, arity, flags and the three numbers about keys come first; after them Redis says more than we do.
        let head = |reply: String| reply.split("\r\n").skip(1).take(8).map(str::to_owned).collect::<Vec<String>>();
        let line = format!("COMMAND INFO {name}");
        let (ours, theirs) = (head(ours.say_text(&line)), head(theirs.say_text(&line)));
        assert_eq!(ours.get(1..4), theirs.get(1..4), "{name}: {ours:?} {theirs:?}");
    }
    assert!(ours.say_text("COMMAND COUNT").starts_with(':'));
    assert!(ours.say_text("COMMAND DOCS get").contains("Get the value of a key"));
    assert!(ours.say_text("COMMAND LIST").contains("flushdb"));
}

/// Streams that end the connection, sent as they are.
const STREAMS: [&[u8]; 24] = [
    b"*1\r\n$9223372036854775808\r\n",
    b"*1\r\n$9223372036854775807\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n\r\n\r\n",
    b"*1\r\n\xff\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"*99999999999999999999\r\n",
    b"GET \"open\r\n",
    b"GET 'open\r\n",
    b"GET \"a\"b\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n",
    b"PING\r\nGET \"k\"\r\nECHO 'a b'\r\nECHO \"\\x41\\n\"\r\nQUIT\r\n",
    b"\r\n\r\nPING\r\nQUIT\r\n",
    b"*0\r\n*-5\r\nPING\r\nQUIT\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nQUIT\r\n",
    b"QUIX a b\r\nQUIT\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

#[test]
fn broken_streams_end_as_in_redis() {
    let (serving, redis) = pair();
    let long = vec![b'1'; 70_000];
    let long_streams = [[b"*", &long[..]].concat(), [b"*1\r\n$", &long[..]].concat(), long.clone()];
    for stream in STREAMS.into_iter().chain(long_streams.iter().map(Vec::as_slice)) {
        let (mut ours, mut theirs) = (serving.client(), redis.client());
        ours.send(stream);
        theirs.send(stream);
        let show = |reply: Vec<u8>| reply.escape_ascii().to_string();
        let beginning = &stream[..stream.len().min(80)];
        assert_eq!(show(ours.rest()), show(theirs.rest()), "{}", beginning.escape_ascii());
    }
}

#[test]
fn random_commands_answer_as_redis_does() {
    const COMMANDS: usize = 20_000;
    let (serving, redis) = pair();
    let mut pair = Pair { redis: redis.client(), ours: serving.client() };
    let seed = 20_251_121_u64;
    let mut state = seed;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for at in 0..COMMANDS {
        let key = ["a", "b", "c", "d:1:x"][next(4)];
        let other = ["a", "b", "c", "d:1:x"][next(4)];
        let value = ["", "1", "41", "text", "-7"][next(5)];
        let value = if value.is_empty() { "\"\"" } else { value };
        let option = ["", " NX", " XX", " GET", " XX GET", " KEEPTTL", " EX 100", " PX 50000", " NX EX 100"][next(9)];
        let only = ["", " NX", " XX", " GT", " LT"][next(5)];
        let line = match next(12) {
            0..=2 => format!("SET {key} {value}{option}"),
            3..=4 => format!("GET {key}"),
            5 => format!("INCR {key}"),
            6 => format!("DEL {key} {other}"),
            7 => format!("EXISTS {key} {other} {key}"),
            // No two times are within each other's reach: which is later must not hang on a millisecond.
            8 => format!(
                "EXPIRE {key} {}{only}",
                if next(5) == 0 { -1 } else { 1_000 * (1 + at * 7_919 % 20_011) as i64 }
            ),
            9 => format!("TTL {key}"),
            10 => format!("MSET {key} {value} {other} x"),
            _ => format!("MGET {key} {other} none"),
        };
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.check(&line)));
        assert!(checked.is_ok(), "seed {seed}, command {at}");
    }
    pair.check("DBSIZE");
}
