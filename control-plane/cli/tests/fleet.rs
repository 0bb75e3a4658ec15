//! What an operator sees of the fleet: who runs what, what happened, what is waited for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::{Value, json};
use support::{DEADLINE, Running, Scratch, wait_for};

const MANIFEST: &str = "kind: Strategy\nname: sessions\nspec: { kind: caching, plugin: caching-lru@0.1.0 }\n";

/// A `dev` that has the plugin.
fn dev(scratch: &Scratch) -> Running {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"));
    let plugin = folder.join("caching-lru.wasm");
    let dev = scratch.dev(&["--label", "region=eu"]);
    scratch.json(&["plugin", "push", plugin.to_str().unwrap()]);
    scratch.write("sessions.yaml", MANIFEST);
    dev
}

/// A program that goes on printing lines.
struct Lines {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Lines {
    fn of(scratch: &Scratch, arguments: &[&str]) -> Self {
        let mut child = scratch.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    fn until(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no line with {what}"));
            if is_it(&line) {
                return line;
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_strategy_is_waited_for_and_what_happened_is_told() {
    let scratch = Scratch::new();
    let dev = dev(&scratch);
    let node = dev.ready["node"].as_str().unwrap().to_owned();
    let events = Lines::of(&scratch, &["events", "--watch", "--strategy", "sessions", "-o", "json"]);
    let strategies = Lines::of(&scratch, &["get", "strategies", "--watch"]);
    let nodes = Lines::of(&scratch, &["get", "nodes", "--watch"]);
    assert!(strategies.until("a head", |line| line.starts_with("CHANGE")).contains("GENERATION"));

    assert_eq!(scratch.run(&["apply", "-f", "sessions.yaml"]).stderr, "", "no warning");
    let waited = scratch.json(&["wait", "strategy", "sessions", "--for=active=95%", "--timeout", "2m"]);
    assert_eq!((&waited["name"], &waited["fleet"]["active"]), (&json!("sessions"), &json!(1)));
    let waited = scratch.run(&["wait", "strategy", "sessions"]);
    let expected = "strategy sessions is active on 1 of 1 nodes (generation 0.1)\n";
    assert_eq!((waited.status, waited.stdout.as_str(), waited.stderr.as_str()), (0, expected, ""));

    let flipped: Value = serde_json::from_str(&events.until("flipped", |line| line.contains("flipped"))).unwrap();
    assert_eq!((&flipped["node"], &flipped["strategy"]), (&json!(node), &json!("sessions")));
    strategies.until("the strategy", |line| line.starts_with("added") && line.contains("sessions"));
    strategies.until("how far it is", |line| line.starts_with("modified") && line.contains("1/1"));
    nodes.until("the flip", |line| line.contains("sessions@0.1"));
    wait_for("the events", || {
        let listed = scratch.json(&["events", "--node", &node]);
        let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
        ["started", "flipped", "healthy"].iter().all(|kind| kinds.contains(kind)).then_some(())
    });
    let mistyped = scratch.run(&["events", "--kind", "start"]);
    assert_eq!((mistyped.status, mistyped.stdout.as_str()), (1, ""));
    assert!(mistyped.stderr.contains("no kind \"start\" of events: expected one of started,"), "{}", mistyped.stderr);
    let text = scratch.run(&["events", "--kind", "started"]).stdout;
    assert!(text.starts_with("AT") && text.contains(&node) && text.lines().count() == 2, "{text}");

    let wide = scratch.run(&["get", "nodes", "-o", "wide"]).stdout;
    assert!(wide.contains("STAGES") && wide.contains("region=eu") && wide.contains("compile "), "{wide}");
    let wide = scratch.run(&["get", "strategies", "-o", "wide"]).stdout;
    assert!(wide.contains("CALLS/S") && wide.contains("1/1"), "{wide}");
    let narrow = scratch.run(&["get", "strategies"]).stdout;
    assert!(narrow.contains("1/1") && !narrow.contains("CALLS/S"), "{narrow}");
}

#[test]
fn what_is_waited_for_in_vain_is_told() {
    let scratch = Scratch::new();
    let _dev = dev(&scratch);
    let wait = |name: &str| scratch.run(&["wait", "strategy", name, "--timeout", "1s"]);
    let none = wait("sessions");
    assert_eq!((none.status, none.stdout.as_str()), (1, ""));
    assert!(none.stderr.contains("there is no strategy sessions"), "{}", none.stderr);

    scratch.write("far.yaml", &MANIFEST.replace("kind: caching", "selector: { region: mars }, kind: caching"));
    wait_for("the node to be known", || {
        let warned = scratch.run(&["apply", "-f", "far.yaml", "--dry-run"]);
        assert_eq!(warned.status, 0);
        let expected = "warning: strategy sessions: spec.selector and spec.cohort match none of the 1 known nodes\n";
        (warned.stderr == expected).then_some(())
    });
    assert_eq!(scratch.json(&["apply", "-f", "far.yaml"])[0]["warnings"].as_array().unwrap().len(), 1);
    let far = wait("sessions");
    assert_eq!((far.status, far.stdout.as_str()), (1, ""));
    assert!(far.stderr.contains("no node should run sessions: none matches it"), "{}", far.stderr);
    let wrong = scratch.run(&["wait", "strategy", "sessions", "--for=ready"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("expected active"), "{}", wrong.stderr);
}

#[test]
fn a_watch_keeps_to_one_name_and_a_wait_waits_out_what_passes() {
    let scratch = Scratch::new();
    let dev = dev(&scratch);
    scratch.write(
        "aaa.yaml",
        &MANIFEST
            .replace("sessions", "aaa")
            .replace("kind: caching", "priority: 1, selector: { region: mars }, kind: caching"),
    );
    for manifest in ["aaa.yaml", "sessions.yaml"] {
        let applied = scratch.run(&["apply", "-f", manifest]);
        assert_eq!(applied.status, 0, "{}", applied.stderr);
    }
    let watched = Lines::of(&scratch, &["get", "strategies", "sessions", "--watch", "-o", "json"]);
    let first: Value = serde_json::from_str(&watched.until("any line", |_| true)).unwrap();
    assert_eq!((&first["type"], &first["object"]["name"]), (&json!("ADDED"), &json!("sessions")));

    drop(dev);
    let waited = scratch.run(&["wait", "strategy", "sessions", "--timeout", "1s"]);
    assert_eq!((waited.status, waited.stdout.as_str()), (1, ""));
    let expected = "it is not known whether sessions is active: the server http://127.0.0.1:";
    assert!(waited.stderr.contains(expected) && waited.stderr.contains("cannot be reached"), "{}", waited.stderr);
}

#[test]
fn an_epoch_is_raised_to_where_nodes_are() {
    let scratch = Scratch::new();
    let _dev = dev(&scratch);
    assert_eq!(scratch.run(&["apply", "-f", "sessions.yaml"]).status, 0);
    let epoch = |arguments: &[&str]| scratch.json(&[&["raise-epoch"], arguments].concat());
    assert_eq!(epoch(&["--to", "57"]), json!({"epoch": 57, "counter": 1}));
    assert_eq!(epoch(&[])["epoch"], 58);
    assert_eq!(epoch(&["--to", "3"])["epoch"], 59, "never back");
    let waited = scratch.json(&["wait", "strategy", "sessions", "--timeout", "2m"]);
    assert_eq!(waited["fleet"]["active"], 1, "the node follows there");
    let far = scratch.run(&["raise-epoch", "--to", "4000000000"]);
    assert!(far.status == 1 && far.stderr.contains("at most 1000000000"), "{}", far.stderr);
}

#[test]
fn what_a_node_sent_is_shown_inert() {
    let scratch = Scratch::new();
    let dev = dev(&scratch);
    let url = format!("{}/v1/reports", dev.ready["server"].as_str().unwrap());
    let token = dev.ready["token"].as_str().unwrap();
    let post = |term: &Value, items: Value| -> Value {
        let batch = json!({"node": "forged", "session": "00000000000000aa", "term": term, "items": items});
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = http.post(&url).bearer_auth(token).json(&batch).send().await.unwrap();
            answer.json().await.unwrap()
        })
    };
    let term = post(&Value::Null, json!([]))["term"].clone();
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nerror: <b>forged</b> \u{202e}\u{9b}31m";
    let event = json!({"sequence": 1, "item": "event", "at_unix_ms": u64::MAX, "kind": "refused", "message": hostile,
                       "slot": {"kind": "caching", "target": hostile}});
    assert_eq!(post(&term, json!([event]))["acknowledged"], 1);
    let listed = scratch.run(&["events", "--node", "forged"]);
    let watched = Lines::of(&scratch, &["events", "--node", "forged", "--watch"]);
    let watched = watched.until("the event", |line| line.contains("forged"));
    for text in [&listed.stdout, &watched] {
        assert!(text.contains("\\u{1b}]0;owned\\u{7}") && text.contains("\\r\\nerror: <b>forged"), "{text:?}");
        assert!(!text.chars().any(|char| char.is_control() && char != '\n' || char == '\u{202e}'), "{text:?}");
    }
    assert_eq!(listed.stdout.lines().count(), 2, "{}", listed.stdout);
}
