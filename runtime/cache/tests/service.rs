//! The listener: many clients, large values, limits, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use support::{Serving, bytes, entries, request, wait_until};
use switchyard_cache::{Write, Written};

#[test]
fn a_long_pipeline_is_answered_in_order() {
    const REQUESTS: usize = 20_000;
    let serving = Serving::start(entries(1_000_000));
    let stream: Vec<u8> = (0..REQUESTS)
        .flat_map(|n| {
            let (key, value) = (format!("key:{n}"), format!("value-{n}"));
            [request(&[b"SET", key.as_bytes(), value.as_bytes()]), request(&[b"GET", key.as_bytes()])].concat()
        })
        .collect();
    std::thread::scope(|scope| {
        let (mut sender, mut receiver) = serving.client().split();
        scope.spawn(move || sender.send(&stream));
        for n in 0..REQUESTS {
            assert_eq!(receiver.reply(), b"+OK\r\n");
            let value = format!("value-{n}");
            assert_eq!(receiver.reply(), format!("${}\r\n{value}\r\n", value.len()).as_bytes());
        }
    });
    assert_eq!(serving.cache.figures().hits, REQUESTS as u64);
}

#[test]
fn large_values_come_back_whole() {
    let serving = Serving::start(entries(100));
    let mut client = serving.client();
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (key, value) in [(&b"large"[..], &large[..]), (b"small", b"s"), (b"other", &large[..100_000])] {
        assert_eq!(client.call(&[b"SET", key, value]), b"+OK\r\n");
    }
    let bulk = |value: &[u8]| [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
    assert_eq!(client.call(&[b"GET", b"large"]), bulk(&large));
    let all =
        [b"*5\r\n".to_vec(), bulk(&large), bulk(b"s"), b"$-1\r\n".to_vec(), bulk(&large[..100_000]), bulk(&large)];
    assert_eq!(client.call(&[b"MGET", b"large", b"small", b"none", b"other", b"large"]), all.concat());
    assert_eq!(client.call(&[b"SET", b"large", b"now small", b"GET"]), bulk(&large));
    assert_eq!(client.say("PING"), b"+PONG\r\n");
}

#[test]
fn commands_with_many_keys_take_their_turns() {
    const KEYS: usize = 5_000;
    let serving = Serving::start(entries(1_000_000));
    let mut client = serving.client();
    let keys: Vec<String> = (0..KEYS).map(|n| format!("k{n}")).collect();
    let mut set: Vec<&[u8]> = vec![b"MSET"];
    keys.iter().for_each(|key| set.extend([key.as_bytes(), key.as_bytes()]));
    assert_eq!(client.call(&set), b"+OK\r\n");
    let with = |command: &'static [u8]| {
        let mut words: Vec<&[u8]> = vec![command];
        words.extend(keys.iter().map(|key| key.as_bytes()));
        words
    };
    let got = client.call(&with(b"MGET"));
    let expected: String = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect();
    assert_eq!(String::from_utf8(got).unwrap(), format!("*{KEYS}\r\n{expected}"));
    assert_eq!(client.call(&with(b"EXISTS")), format!(":{KEYS}\r\n").as_bytes());
    assert_eq!(client.call(&with(b"DEL")), format!(":{KEYS}\r\n").as_bytes());
    assert_eq!(client.say("DBSIZE"), b":0\r\n");
}

#[test]
fn a_budget_in_bytes_holds() {
    const BUDGET: u64 = 1 << 20;
    let serving = Serving::start(bytes(BUDGET));
    let mut client = serving.client();
    for n in 0..5_000 {
        let value = vec![b'x'; 100 + n % 900];
        assert_eq!(client.call(&[b"SET", format!("key:{n}").as_bytes(), &value]), b"+OK\r\n");
    }
    let figures = serving.cache.figures();
    assert!(figures.used <= BUDGET && figures.used > BUDGET / 2, "{figures:?}");
    assert_eq!((figures.used, figures.evicted_by_strategy), (figures.bytes, 0));
    assert_eq!(figures.entries, 5_000 - figures.evicted_by_fallback);
    // A value that can never fit leaves everything as it is.
    client.say("SET kept value");
    let refused = client.call(&[b"SET", b"kept", &vec![b'x'; BUDGET as usize]]);
    assert_eq!(refused, b"-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    let refused = client.call(&[b"MSET", b"a", b"1", b"kept", &vec![b'x'; BUDGET as usize]]);
    assert!(refused.starts_with(b"-OOM "));
    assert_eq!(client.say("MGET a kept"), b"*2\r\n$-1\r\n$5\r\nvalue\r\n");
    assert_eq!(serving.cache.figures().too_large, 1);
}

#[test]
fn a_budget_changes_while_the_cache_serves() {
    let serving = Serving::start(entries(1_000));
    let mut client = serving.client();
    (0..1_000).for_each(|n| drop(client.say(&format!("SET k{n} v"))));
    let mut budget = serving.cache.budget();
    budget.capacity = 100;
    serving.cache.set_budget(budget).unwrap();
    wait_until("the smaller budget is met", || serving.cache.figures().entries <= 100);
    budget.capacity = 10_000;
    serving.cache.set_budget(budget).unwrap();
    (0..1_000).for_each(|n| drop(client.say(&format!("SET k{n} v"))));
    assert_eq!(client.say("DBSIZE"), b":1000\r\n");
    assert!(serving.cache.set_budget(bytes(5).budget).is_err());
}

#[test]
fn what_has_expired_is_freed_without_being_asked_for() {
    let serving = Serving::start(entries(1_000));
    let mut client = serving.client();
    (0..500).for_each(|n| drop(client.say(&format!("SET k{n} v PX 1"))));
    client.say("SET stays v PX 1000000");
    wait_until("only one entry is left", || serving.cache.figures().entries == 1);
    assert_eq!(serving.cache.figures().expired, 500);
    assert_eq!(client.say("EXISTS stays"), b":1\r\n");
}

#[test]
fn one_client_too_many_is_told_so() {
    let serving = Serving::start(switchyard_cache::CacheConfig { connections_max: 2, ..entries(10) });
    let (mut first, mut second) = (serving.client(), serving.client());
    assert_eq!((first.say("PING"), second.say("PING")), (b"+PONG\r\n".to_vec(), b"+PONG\r\n".to_vec()));
    assert_eq!(serving.client().rest(), b"-ERR max number of clients reached\r\n");
    drop(first);
    wait_until("there is room again", || serving.cache.figures().connections == 1);
    assert_eq!(serving.client().say("PING"), b"+PONG\r\n");
    assert_eq!(serving.cache.figures().connections_refused, 1);
}

#[test]
fn unfinished_requests_share_a_bound() {
    let config = switchyard_cache::CacheConfig { buffers_bytes_max: 1 << 20, ..entries(10) };
    let serving = Serving::start(config);
    let announced = [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000000\r\n"[..], &vec![b'x'; 4 << 20]].concat();
    let (mut sender, mut receiver) = serving.client().split();
    // The connection is cut while it sends: that it cannot send everything is what is wanted.
    let sending = std::thread::spawn(move || sender.try_send(&announced));
    assert!(receiver.rest().starts_with(b"-OOM ") || serving.cache.figures().connections_cut == 1);
    let _ = sending.join().unwrap();
    assert_eq!(serving.client().say("SET k v"), b"+OK\r\n");
}

#[test]
fn who_does_not_read_is_cut_off_before_it_holds_too_much() {
    let config = switchyard_cache::CacheConfig { buffers_bytes_max: 1 << 20, ..entries(10) };
    let serving = Serving::start(config);
    let value = vec![b'x'; 16 << 20];
    serving.cache.set(0, b"large", &value, Write::PLAIN);
    let mut lazy = serving.client();
    lazy.send(&request(&[b"GET", b"large"]));
    wait_until("the client is cut off", || serving.cache.figures().connections_cut == 1);
    assert!(lazy.rest().len() < value.len());
    assert_eq!(serving.client().say("PING"), b"+PONG\r\n");
}

#[test]
fn what_waits_behind_an_answer_that_nobody_reads_is_not_done_in_the_past() {
    const TTL: Duration = Duration::from_secs(60);
    let serving = Serving::start(entries(10));
    serving.cache.set(0, b"large", &vec![b'x'; 16 << 20], Write::PLAIN);
    let (mut lazy, mut other) = (serving.client(), serving.client());
    lazy.send(&[request(&[b"GET", b"large"]), request(&[b"SET", b"late", b"v", b"PX", b"60000"])].concat());
    assert_eq!(other.say("SET wait v PX 500"), b"+OK\r\n");
    wait_until("half a second has passed", || other.say("EXISTS wait") == b":0\r\n");
    assert_eq!(other.say("EXISTS late"), b":0\r\n", "the large answer is in the way");
    let begun = Instant::now();
    lazy.reply();
    assert_eq!(lazy.reply(), b"+OK\r\n");
    let left = other.say_text("PTTL late")[1..].trim().parse().map(Duration::from_millis).unwrap();
    // Its time began when the large answer was read, not when it was asked for.
    assert!(left + begun.elapsed() + Duration::from_millis(2) >= TTL, "{left:?} are left");
}

#[test]
fn idle_clients_are_let_go_at_the_end() {
    let mut serving = Serving::start(entries(10));
    let (mut idle, mut half) = (serving.client(), serving.client());
    assert_eq!(idle.say("PING"), b"+PONG\r\n");
    half.send(b"*2\r\n$3\r\nGET\r\n");
    serving.stop();
    assert_eq!((idle.rest(), half.rest()), (vec![], vec![]));
}

#[test]
fn the_handle_does_what_clients_do() {
    let serving = Serving::start(entries(10));
    let cache = &serving.cache;
    assert!(matches!(cache.set(cache.now_ms(), b"k", b"v", Write::PLAIN), Written::Done(None)));
    assert_eq!(cache.get(cache.now_ms(), b"k").as_deref(), Some(&b"v"[..]));
    assert_eq!(cache.ttl_ms(cache.now_ms(), b"k"), Some(None));
    assert_eq!(serving.client().say("GET k"), b"$1\r\nv\r\n");
    cache.clear();
    assert_eq!(serving.client().say("GET k"), b"$-1\r\n");
}

#[test]
fn info_has_what_tools_read() {
    let serving = Serving::start(bytes(1 << 20));
    let mut client = serving.client();
    client.say("SET k v EX 100");
    client.say("GET k");
    client.say("GET none");
    let info = client.say_text("INFO");
    for line in [
        "# Server",
        "redis_version:7.",
        "# Clients",
        "connected_clients:1",
        "# Memory",
        "maxmemory:1048576",
        "# Stats",
        "keyspace_hits:1",
        "keyspace_misses:1",
        "# Keyspace",
        "db0:keys=1,expires=1",
        "# Switchyard",
        "caching_strategy:fallback",
        "cache_budget_unit:bytes",
        "cache_hit_ratio:0.5000",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
    let some = client.say_text("INFO memory keyspace");
    assert!(some.contains("# Memory") && some.contains("# Keyspace") && !some.contains("# Stats"), "{some}");
}

fn run(program: &str, serving: &Serving, arguments: &[&str]) -> String {
    let port = serving.address.port().to_string();
    let output = Command::new(program).args(["-h", "127.0.0.1", "-p", &port]).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: install the package redis-tools"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn redis_cli_works_unmodified() {
    let serving = Serving::start(entries(100));
    assert_eq!(run("redis-cli", &serving, &["SET", "k", "v"]), "OK\n");
    assert_eq!(run("redis-cli", &serving, &["-3", "GET", "k"]), "v\n");
    assert_eq!(run("redis-cli", &serving, &["--no-raw", "MGET", "k", "none"]), "1) \"v\"\n2) (nil)\n");
    assert!(run("redis-cli", &serving, &["INFO", "keyspace"]).contains("db0:keys=1"));
    assert!(run("redis-cli", &serving, &["--no-raw", "COMMAND", "DOCS", "get"]).contains("summary"));
}

#[test]
fn redis_benchmark_works_unmodified() {
    let serving = Serving::start(entries(100_000));
    for pipeline in ["1", "16"] {
        let csv = run(
            "redis-benchmark",
            &serving,
            &["-t", "get,set,incr,mset", "-n", "4000", "-c", "20", "-r", "1000", "-P", pipeline, "--csv"],
        );
        for test in ["\"SET\"", "\"GET\"", "\"INCR\"", "\"MSET (10 keys)\""] {
            assert!(csv.contains(test), "{csv}");
        }
        assert!(!csv.contains("rror"), "{csv}");
    }
    assert_eq!(serving.cache.figures().connections_cut, 0);
}
