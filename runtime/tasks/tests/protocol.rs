//! The Faktory work protocol, byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::io::Write;

use support::{Client, Serving, job, job_with, wait_until};
use switchyard_tasks::{TaskFilter, TaskState, WorkerState};

fn count(serving: &Serving, state: TaskState) -> usize {
    serving.tasks.list(TaskFilter { state: Some(state), ..TaskFilter::default() }, 1_000).0.len()
}

#[test]
fn a_job_is_pushed_fetched_and_acknowledged() {
    let serving = Serving::start();
    let (mut producer, mut worker) = (serving.client(None), serving.client(Some("worker-1")));
    let pushed = job("aaaaaaaa");
    assert_eq!(producer.say(&format!("PUSH {pushed}")), "+OK");
    let fetched = worker.say("FETCH other default");
    assert!(fetched.starts_with(&pushed[..pushed.len() - 1]), "{fetched}");
    let read: serde_json::Value = serde_json::from_str(&fetched).unwrap();
    assert_eq!((&read["queue"], read.get("failure")), (&"default".into(), None));
    assert_eq!(count(&serving, TaskState::Leased), 1);
    assert_eq!(worker.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    let figures = serving.tasks.figures();
    assert_eq!((figures.done, figures.late, figures.pushed), (1, 0, 1));
    assert_eq!(serving.tasks.list(TaskFilter::default(), 10).0, []);
}

#[test]
fn the_most_urgent_comes_first_and_of_equals_the_oldest() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    for (jid, priority) in [("aaaaaaa1", 1), ("bbbbbbb5", 5), ("ccccccc9", 9), ("ddddddd5", 5)] {
        assert_eq!(client.say(&format!("PUSH {}", job_with(jid, &format!(",\"priority\":{priority}")))), "+OK");
    }
    let order: Vec<String> = (0..4).map(|_| client.say("FETCH default")[8..16].to_owned()).collect();
    assert_eq!(order, ["ccccccc9", "bbbbbbb5", "ddddddd5", "aaaaaaa1"]);
}

#[test]
fn the_first_queue_that_has_a_task_is_served() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    for queue in ["low", "high"] {
        client.say(&format!("PUSH {}", job_with(&format!("{queue}-----"), &format!(",\"queue\":\"{queue}\""))));
    }
    assert!(client.say("FETCH critical high low").contains("high-----"));
    assert!(client.say("FETCH critical high low").contains("low-----"));
    assert_eq!(client.say("FETCH critical high low"), "nothing");
}

#[test]
fn a_worker_that_waits_gets_the_task_when_it_comes() {
    let serving = Serving::start();
    let (mut first, mut second) = (serving.client(Some("worker-1")), serving.client(Some("worker-2")));
    let mut producer = serving.client(None);
    first.send(b"FETCH default\r\n");
    // The order of the two is told by what the first has got: it is in the line before the second comes.
    producer.say(&format!("PUSH {}", job("aaaaaaaa")));
    assert!(first.answer().contains("aaaaaaaa"));
    second.send(b"FETCH other default\r\n");
    producer.say(&format!("PUSH {}", job("bbbbbbbb")));
    assert!(second.answer().contains("bbbbbbbb"));
}

#[test]
fn a_worker_that_leaves_while_it_waits_takes_nothing_along() {
    let serving = Serving::start();
    let mut gone = serving.client(Some("worker-1"));
    gone.send(b"FETCH default\r\n");
    drop(gone);
    let mut client = serving.client(Some("worker-2"));
    client.say(&format!("PUSH {}", job("aaaaaaaa")));
    wait_until("the task is there for another", || client.say("FETCH default").contains("aaaaaaaa"));
}

#[test]
fn a_failed_job_is_tried_again_and_says_why() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    client.say(&format!("PUSH {}", job_with("aaaaaaaa", ",\"retry\":2")));
    client.say("FETCH default");
    let fail = r#"FAIL {"jid":"aaaaaaaa","errtype":"Boom","message":"it\nbroke","backtrace":["a","b"]}"#;
    assert_eq!(client.say(fail), "+OK");
    assert_eq!(client.say(fail), "-ERR Job not found aaaaaaaa");
    let (tasks, _) = serving.tasks.list(TaskFilter::default(), 10);
    assert_eq!((tasks[0].attempt, tasks[0].failure.as_ref().unwrap().kind.as_str()), (1, "Boom"));
    wait_until("the back-off is over", || count(&serving, TaskState::Waiting) == 1);
    let again: serde_json::Value = serde_json::from_str(&client.say("FETCH default")).unwrap();
    let failure = &again["failure"];
    assert_eq!((&failure["retry_count"], &failure["remaining"]), (&0.into(), &1.into()));
    assert_eq!((&failure["message"], &failure["errtype"]), (&"it\nbroke".into(), &"Boom".into()));
}

#[test]
fn attempts_end_as_the_job_asks() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    for (jid, retry) in [("forgotten", 0), ("buried--", -1)] {
        client.say(&format!("PUSH {}", job_with(jid, &format!(",\"retry\":{retry}"))));
        client.say("FETCH default");
        assert_eq!(client.say(&format!(r#"FAIL {{"jid":"{jid}","errtype":"E","message":"m"}}"#)), "+OK");
    }
    let (left, _) = serving.tasks.list(TaskFilter::default(), 10);
    assert_eq!(
        left.iter().map(|task| (task.jid.as_str(), task.state)).collect::<Vec<_>>(),
        [("buried--", TaskState::Dead)]
    );
    let figures = serving.tasks.figures();
    assert_eq!((figures.held().dead, figures.discarded), (1, 1));
}

#[test]
fn a_job_that_is_not_held_is_nothing_to_acknowledge() {
    let serving = Serving::start();
    let (mut first, mut second) = (serving.client(Some("worker-1")), serving.client(Some("worker-2")));
    first.say(&format!("PUSH {}", job("aaaaaaaa")));
    first.say("FETCH default");
    assert_eq!(second.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    assert_eq!(second.say(r#"FAIL {"jid":"aaaaaaaa"}"#), "-ERR Job not found aaaaaaaa");
    assert_eq!(count(&serving, TaskState::Leased), 1, "another worker's word counts for nothing");
    assert_eq!(first.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    assert_eq!(first.say(r#"ACK {"jid":"aaaaaaaa"}"#), "+OK");
    assert_eq!(first.say(r#"ACK {"jid":"unknown-"}"#), "+OK");
    let figures = serving.tasks.figures();
    assert_eq!((figures.done, figures.late), (1, 4));
}

#[test]
fn a_job_for_later_waits_for_its_time() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    assert_eq!(client.say(&format!("PUSH {}", job_with("aaaaaaaa", r#","at":"2999-01-01T00:00:00Z""#))), "+OK");
    assert_eq!(client.say(&format!("PUSH {}", job_with("bbbbbbbb", r#","at":"1999-01-01T00:00:00+02:00""#))), "+OK");
    assert!(client.say("FETCH default").contains("bbbbbbbb"));
    let (tasks, _) = serving.tasks.list(TaskFilter { state: Some(TaskState::Delayed), ..Default::default() }, 10);
    assert_eq!(tasks[0].jid, "aaaaaaaa");
}

#[test]
fn a_bulk_push_names_what_it_did_not_take() {
    let serving = Serving::start();
    let mut client = serving.client(None);
    let answer = client.say(&format!("PUSHB [{},{},{}]", job("aaaaaaaa"), job("short"), job("bbbbbbbb")));
    assert_eq!(answer, r#"{"short":"jobs must have a reasonable jid parameter"}"#);
    assert_eq!(client.say(&format!("PUSHB [{}]", job("cccccccc"))), "{}");
    assert_eq!(client.say("PUSHB []"), "{}");
    assert_eq!(count(&serving, TaskState::Waiting), 3);
}

#[test]
fn workers_are_told_to_end_when_they_beat() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    assert_eq!(client.say(r#"BEAT {"wid":"worker-1","rss_kb":54176}"#), "+OK");
    assert_eq!(client.say(r#"BEAT {"wid":"worker-9"}"#), "-ERR unknown worker worker-9");
    assert!(serving.tasks.signal("worker-1", WorkerState::Quiet));
    assert_eq!(client.say(r#"BEAT {"wid":"worker-1"}"#), r#"{"state":"quiet"}"#);
    client.say(&format!("PUSH {}", job("aaaaaaaa")));
    assert_eq!(client.say("FETCH default"), "nothing", "a quiet worker gets none");
    assert_eq!(client.say(r#"BEAT {"wid":"worker-1","current_state":"terminate"}"#), r#"{"state":"terminate"}"#);
}

#[test]
fn queues_are_paused_resumed_and_removed() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    client.say(&format!("PUSH {}", job("aaaaaaaa")));
    assert_eq!(client.say("QUEUE PAUSE default"), "+OK");
    assert_eq!(client.say("FETCH default"), "nothing");
    assert_eq!(client.say("QUEUE RESUME *"), "+OK");
    assert!(client.say("FETCH default").contains("aaaaaaaa"));
    client.say(&format!("PUSH {}", job("bbbbbbbb")));
    assert_eq!(client.say("QUEUE REMOVE default"), "+OK");
    assert_eq!(serving.tasks.list(TaskFilter::default(), 10).0, []);
    assert_eq!(client.say("QUEUE SELL default"), "-ERR no such QUEUE subcommand: SELL");
}

#[test]
fn info_has_the_shape_that_clients_read() {
    let serving = Serving::start();
    let mut client = serving.client(None);
    client.say(&format!("PUSH {}", job("aaaaaaaa")));
    let info: serde_json::Value = serde_json::from_str(&client.say("INFO")).unwrap();
    assert_eq!(info["faktory"]["queues"]["default"], 1);
    assert_eq!(info["faktory"]["sets"]["working"], 0);
    assert_eq!(info["server"]["connections"], 1);
    assert_eq!(client.say("FLUSH"), "+OK");
    assert_eq!(count(&serving, TaskState::Waiting), 0);
    client.send(b"END\r\n");
    assert_eq!(client.rest(), "");
}

#[test]
fn what_is_malformed_gets_an_error_and_the_connection_lives() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    let lines = [
        "",
        " ",
        "push {}",
        "NOSUCH",
        "PUSH",
        "PUSH ",
        "PUSH {",
        "PUSH []",
        "PUSH {}",
        "PUSHB",
        "PUSHB {}",
        "PUSHB [1",
        "ACK",
        "ACK {}",
        "ACK []",
        r#"ACK {"jid":7}"#,
        "FAIL",
        "FAIL {}",
        "BEAT",
        "BEAT {}",
        "QUEUE",
        "FETCH a/b",
        "FETCH \u{e9}",
        "FETCH ;",
        "HELLO {\"v\":2}",
        "BATCH NEW {}",
        "\u{1}\u{2}",
    ];
    for line in lines {
        let answer = client.say(line);
        assert!(answer.starts_with("-ERR ") && answer.len() < 600, "{line:?}: {answer:?}");
    }
    client.send(b"\xff\xfe {\"\xc3\r\nPUSH {\"jid\":\"\xff\xff\xff\xff\xff\xff\xff\xff\"}\n");
    assert!(client.answer().starts_with("-ERR unknown command"));
    assert!(client.answer().starts_with("-ERR invalid JSON"));
    assert_eq!(client.say(&format!("PUSH {}", job("aaaaaaaa"))), "+OK");
    assert!(serving.tasks.figures().commands > 20);
}

#[test]
fn a_hundred_megabytes_are_refused_and_not_kept() {
    let serving = Serving::start();
    let mut client = serving.client(None);
    let mut other = serving.client(Some("worker-1"));
    client.send(b"PUSH {\"jid\":\"aaaaaaaa\",\"jobtype\":\"x\",\"args\":[\"");
    let piece = vec![b'x'; 1 << 20];
    for sent in 0..100 {
        client.send(&piece);
        if sent == 50 {
            assert_eq!(other.say(&format!("PUSH {}", job("bbbbbbbb"))), "+OK", "others are not disturbed");
        }
    }
    client.send(b"\"]}\r\n");
    let answer = client.answer();
    assert!(answer.starts_with("-ERR the line is longer than"), "{answer}");
    let padding = "x".repeat(2 << 20);
    let large = client.say(&format!("PUSH {}", job_with("cccccccc", &format!(r#","custom":{{"p":"{padding}"}}"#))));
    assert!(large.starts_with("-ERR the job has"), "{large}");
    assert_eq!(client.say(&format!("PUSH {}", job("aaaaaaaa"))), "+OK");
    assert_eq!(count(&serving, TaskState::Waiting), 2);
}

#[test]
fn lines_that_are_sent_ahead_are_answered_in_order() {
    let serving = Serving::start();
    let mut client = serving.client(Some("worker-1"));
    client.send(
        format!("FETCH none\r\nPUSH {}\r\nFETCH default\r\nACK {{\"jid\":\"aaaaaaaa\"}}\r\n", job("aaaaaaaa"))
            .as_bytes(),
    );
    assert_eq!(client.answer(), "nothing");
    assert_eq!(client.answer(), "+OK");
    assert!(client.answer().contains("aaaaaaaa"));
    assert_eq!(client.answer(), "+OK");
}

#[test]
fn only_those_who_know_the_password_come_in() {
    let serving = Serving::start_with(|config| config.password = Some("secret".into()));
    for hello in ["PUSH {}", "HELLO {\"v\":2}", "HELLO {\"v\":2,\"pwdhash\":\"00\"}", "HELLO x"] {
        let mut client = Client::connect(serving.address);
        let hi = client.line();
        assert!(hi.starts_with("+HI {\"v\":2,\"i\":") && hi.contains(",\"s\":\""), "{hi}");
        assert!(client.say(hello).starts_with("-ERR "));
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn a_client_too_many_is_told_so() {
    let serving = Serving::start_with(|config| config.connections_max = 1);
    let first = serving.client(None);
    let mut second = Client::connect(serving.address);
    assert_eq!(second.line(), "-ERR too many connections");
    assert_eq!(second.rest(), "");
    drop(first);
    wait_until("there is room again", || {
        let mut client = Client::connect(serving.address);
        client.line().starts_with("+HI")
    });
}

#[test]
fn unfinished_lines_share_a_bound() {
    let serving = Serving::start_with(|config| config.input_bytes_max = 100 << 10);
    let mut client = serving.client(None);
    // The peer may close while this is on its way.
    let _ = client.stream.write_all(&vec![b'x'; 400 << 10]);
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with("-ERR the unfinished lines"), "{rest}");
    assert_eq!(serving.client(None).say(&format!("PUSH {}", job("aaaaaaaa"))), "+OK");
}
