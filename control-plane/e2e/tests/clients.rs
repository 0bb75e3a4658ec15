//! Programs that others wrote for Redis, unmodified, against the node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::process::Command;

use switchyard_e2e::{cli, dev::Dev, paths};

const PYTHON: &str = r#"
import sys, redis
for protocol in (2, 3):
    r = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), protocol=protocol, decode_responses=True)
    assert r.ping() is True
    assert r.set("a", "1") is True and r.get("a") == "1"
    assert r.set("a", "2", nx=True) is None and r.set("b", "2", xx=True) is None
    assert r.set("t", "x", ex=100) is True and 0 < r.ttl("t") <= 100 and 0 < r.pttl("t") <= 100_000
    assert r.set("t", "x", px=5_000) is True and 0 < r.pttl("t") <= 5_000
    assert r.expire("a", 50) is True and 0 < r.ttl("a") <= 50
    assert r.ttl("nothing") == -2
    assert r.mset({"x": "1", "y": "2"}) is True and r.mget("x", "nothing", "y") == ["1", None, "2"]
    r.delete("n")
    assert r.incr("n") == 1 and r.incr("n") == 2
    assert r.exists("x", "y", "nothing") == 2 and r.delete("x", "y") == 2
    assert r.echo("hello") == "hello"
    with r.pipeline(transaction=False) as pipe:
        for i in range(100):
            pipe.set(f"p{i}", i)
            pipe.get(f"p{i}")
        answers = pipe.execute()
    assert answers[1::2] == [str(i) for i in range(100)]
    assert r.dbsize() > 0 and r.info("server")["redis_version"]
    r.client_setname("test"); assert r.client_getname() == "test"
    for bad in (lambda: r.incr("p0x", "no"), lambda: r.execute_command("NOSUCH", "1")):
        try:
            bad()
            raise SystemExit("no error")
        except (redis.ResponseError, redis.DataError) as error:
            assert str(error)
    r.set("word", "no")
    try:
        r.incr("word")
        raise SystemExit("no error")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error
    assert r.flushdb() is True and r.dbsize() == 0
print("ok", redis.__version__)
"#;

#[tokio::test]
async fn redis_py_works_with_both_protocols() {
    let dev = Dev::start("10000", 2).unwrap();
    let mut python = Command::new(paths::python().unwrap());
    python.args(["-c", PYTHON, &dev.address().port().to_string()]);
    let said = cli::run(python).unwrap().done().unwrap();
    assert!(said.starts_with("ok "), "{said}");
}

#[tokio::test]
async fn redis_cli_works() {
    let dev = Dev::start("10000", 2).unwrap();
    let port = dev.address().port().to_string();
    let redis = |words: &[&str]| {
        cli::program("redis-cli", &[&["-p", &port], words].concat()).unwrap().done().unwrap().trim().to_owned()
    };
    for flags in [&[][..], &["-3"]] {
        let run = |words: &[&str]| redis(&[flags, words].concat());
        assert_eq!(run(&["SET", "a", "1"]), "OK");
        assert_eq!(run(&["GET", "a"]), "1");
        assert_eq!(run(&["INCR", "a"]), "2");
        assert_eq!(run(&["MSET", "b", "1", "c", "2"]), "OK");
        assert_eq!(run(&["MGET", "a", "b", "c"]), "2\n1\n2");
        assert_eq!(run(&["GET", "nothing"]), "");
        assert_eq!(run(&["SET", "a"]), "ERR wrong number of arguments for 'set' command");
        assert_eq!(run(&["SELECT", "1"]), "ERR DB index is out of range");
        assert!(run(&["INFO"]).contains("# Switchyard"));
        assert!(run(&["NOSUCH", "x"]).starts_with("ERR unknown command 'NOSUCH', with args beginning with: 'x'"));
    }
}

#[tokio::test]
async fn redis_benchmark_works() {
    let dev = Dev::start("10000", 2).unwrap();
    let lru = dev.publish("caching-lru").await.unwrap();
    dev.activate(&lru).await.unwrap();
    let port = dev.address().port().to_string();
    for pipeline in ["1", "16"] {
        let flags =
            ["-p", &port, "-t", "get,set,incr,mset", "-n", "20000", "-r", "20000", "-c", "20", "-q", "-P", pipeline];
        let said = cli::program("redis-benchmark", &flags).unwrap();
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(said.status == Some(0) && !all.to_ascii_lowercase().contains("err"), "{all}");
        for test in ["SET", "GET", "INCR", "MSET"] {
            assert!(all.contains(&format!("{test}: ")) || all.contains(&format!("{test} (")), "{test}: {all}");
        }
    }
}
