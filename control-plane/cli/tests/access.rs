//! Who may speak to a server: the token that `dev` makes, where it goes, and what is said when it does not fit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use support::{Scratch, mode};

#[test]
fn the_first_start_makes_a_token_that_only_this_user_can_read() {
    let scratch = Scratch::new();
    let dev = scratch.dev(&[]);
    let token = dev.ready["token"].as_str().unwrap().to_owned();
    assert_eq!(mode(&scratch.path("context.json")), 0o600);
    assert_eq!(scratch.json(&["health"])["status"], "ok");
    assert_eq!(scratch.json(&["get", "plugins"]), serde_json::json!([]));
    assert!(dev.terminate().success());

    let dev = scratch.dev(&[]);
    assert!(dev.ready.get("token").is_none(), "it is shown once");
    let context = std::fs::read_to_string(scratch.path("context.json")).unwrap();
    assert!(context.contains(&token) && context.contains(dev.ready["server"].as_str().unwrap()), "the new address");
    assert_eq!(scratch.json(&["get", "plugins"]), serde_json::json!([]));
}

#[test]
fn a_token_is_shown_also_where_the_context_file_cannot_be_written() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("context.json")).unwrap();
    scratch.write("context.json/occupied", "");
    let dev = scratch.dev(&["--rotate-token"]);
    assert!(dev.ready["token"].as_str().unwrap().starts_with("swy_") && dev.ready["context"].is_null());
}

#[test]
fn rotation_takes_the_old_token_away() {
    let scratch = Scratch::new();
    let old = scratch.dev(&[]).ready["token"].as_str().unwrap().to_owned();
    let dev = scratch.dev(&["--rotate-token"]);
    assert_ne!(dev.ready["token"].as_str().unwrap(), old);
    assert_eq!(scratch.json(&["get", "plugins"]), serde_json::json!([]));
    let refused = scratch.run(&["get", "plugins", "--token", &old]);
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("the token (from --token) was refused"), "{}", refused.stderr);
}

#[test]
fn a_refused_token_is_told_with_its_source() {
    let scratch = Scratch::new();
    let dev = scratch.dev(&[]);
    let server = dev.ready["server"].as_str().unwrap();
    let check = |set: &[(&str, &str)], expected: &str| {
        let output = scratch.command(&["get", "nodes", "--server", server]).envs(set.iter().copied()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(expected), "{expected}: {stderr}");
    };
    check(&[("SWITCHYARD_TOKEN", "swy_0")], "from the environment variable SWITCHYARD_TOKEN");
    let path = scratch.path("other.json");
    scratch.write("other.json", &format!(r#"{{"server":"{server}","token":"swy_0"}}"#));
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    check(&[("SWITCHYARD_CONTEXT", path.to_str().unwrap())], &format!("from {}", path.display()));
    check(&[("SWITCHYARD_CONTEXT", "/nonexistent/context.json")], "the token (not given) was refused");
}

#[test]
fn a_context_file_that_others_may_read_is_refused() {
    let scratch = Scratch::new();
    scratch.write("context.json", r#"{"server":"http://127.0.0.1:1","token":"swy_0"}"#);
    let path = scratch.path("context.json");
    for mode in [0o640, 0o604, 0o666] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let answer = scratch.run(&["health"]);
        assert!(answer.status == 1 && answer.stderr.contains("chmod 600"), "{mode:o}: {}", answer.stderr);
    }
}

#[test]
fn one_data_folder_is_for_one_process() {
    let scratch = Scratch::new();
    let _dev = scratch.dev(&[]);
    let second = scratch.run(&[
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--resp",
        "127.0.0.1:0",
        "--faktory",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
    ]);
    assert!(second.status == 1 && second.stderr.contains("in use by another process"), "{}", second.stderr);
    let node = scratch.run(&[
        "node",
        "--resp",
        "127.0.0.1:0",
        "--faktory",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--gateway",
        "127.0.0.1:0",
    ]);
    assert_eq!((node.status, node.stdout.as_str()), (1, ""), "{}", node.stderr);
}
