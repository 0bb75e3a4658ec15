//! What the program says of itself, and how it says that a command line makes no sense.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use support::Scratch;

fn check(name: &str, arguments: &[&str], status: i32) {
    let answer = Scratch::new().run(arguments);
    assert_eq!(answer.status, status, "{arguments:?}: {}", answer.stderr);
    insta::assert_snapshot!(name, format!("{}{}", answer.stdout, answer.stderr));
}

#[test]
fn help_tells_verbs_and_options() {
    check("help", &["--help"], 0);
    check("help_dev", &["dev", "--help"], 0);
    check("help_plugin", &["plugin", "--help"], 0);
    check("help_plugin_build", &["plugin", "build", "--help"], 0);
    check("help_apply", &["apply", "--help"], 0);
    check("help_get", &["get", "--help"], 0);
    check("help_tasks", &["tasks", "--help"], 0);
    check("help_tasks_push", &["tasks", "push", "--help"], 0);
    check("help_tasks_list", &["tasks", "list", "--help"], 0);
    check("help_alerts", &["alerts", "--help"], 0);
    check("help_score", &["score", "--help"], 0);
    check("help_replay", &["replay", "--help"], 0);
}

#[test]
fn a_command_line_without_sense_is_status_2() {
    check("unknown_verb", &["aply"], 2);
    check("unknown_kind", &["plugin", "new", "--kind", "cooking", "a"], 2);
    check("name_with_capitals", &["plugin", "new", "MyPlugin"], 2);
    check("size_without_sense", &["replay", "--trace", "t", "--strategy", "s", "--size", "12XB"], 2);
    check("shards_without_sense", &["node", "--cache-shards", "3"], 2);
    let replay = ["replay", "--trace", "t", "--strategy", "s", "--size", "1"];
    check("more_shards_than_a_cache_has", &[&replay[..], &["--shards", "257"]].concat(), 2);
    check("label_without_value", &["node", "--label", "region"], 2);
    check("task_arguments_without_sense", &["tasks", "push", "--type", "a", "--args", "{}"], 2);
    check("no_server", &["get", "nodes"], 2);
    check("webhook_flag_alone", &["node", "--alert-webhook-internal"], 2);
    check("node_without_scheme", &["alerts", "--node-http", "localhost:7071"], 2);
    check("server_without_scheme", &["health", "--server", "localhost:7070"], 2);
}

#[test]
fn what_fails_is_status_1_and_names_file_and_cause() {
    check("no_manifest", &["apply", "-f", "strategy.yaml"], 1);
    check("no_project", &["plugin", "build", "."], 1);
    check("no_component", &["plugin", "check", "a.wasm"], 1);
    check("no_strategy", &["replay", "--trace", "t.txt", "--strategy", "a/b.wasm", "--size", "1"], 1);
    check("nobody_listens", &["health", "--server", "http://127.0.0.1:1"], 1);
}

#[test]
fn a_manifest_without_sense_is_told_with_its_place() {
    let scratch = Scratch::new();
    let check = |name: &str, text: &str| {
        scratch.write("strategy.yaml", text);
        let answer = scratch.run(&["apply", "-f", "strategy.yaml", "--server", "http://127.0.0.1:1"]);
        assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{name}");
        insta::assert_snapshot!(name, answer.stderr);
    };
    let manifest = "kind: Strategy\nname: a\nspec: { kind: caching, plugin: caching-lru@0.1.0 }\n";
    check("manifest_empty", "");
    check("manifest_unknown_kind", &manifest.replace("Strategy", "Rout"));
    check("manifest_unknown_key", &manifest.replace("name: a", "name: a\nnmae: b"));
    check("manifest_plugin_without_version", &manifest.replace("@0.1.0", ""));
    let route = "kind: Route\nname: b\nspec:\n  backends: [{ name: one, adress: 127.0.0.1:80 }]\n";
    check("manifest_route_with_unknown_key", &format!("{manifest}---\n{route}"));
    check("manifest_with_escapes", &manifest.replace("name: a", "name: \"a\\e[31m\""));
}

#[test]
fn errors_are_json_where_results_are() {
    let answer = Scratch::new().run(&["health", "--server", "http://127.0.0.1:1", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&answer.stderr).unwrap();
    assert!(error["message"].as_str().unwrap().contains("cannot be reached"), "{error}");
    assert_eq!((answer.status, answer.stdout.as_str()), (1, ""));
}
