//! From nothing to a strategy that decides: the author's way through the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{path::Path, process::Stdio};

use serde_json::Value;
use support::{Scratch, wait_for};

/// Shared by the projects of these tests, so that the SDK is compiled once.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/authoring");

fn build(scratch: &Scratch, project: &str) -> Value {
    let out = format!("{project}.wasm");
    let mut build = scratch.command(&["plugin", "build", project, "--out", &out, "-o", "json"]);
    let output = build.env("CARGO_TARGET_DIR", TARGET).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{project} cannot be built: run `cargo xtask setup`");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_new_plugin_is_built_checked_pushed_applied_and_decides() {
    let scratch = Scratch::new();
    scratch.json(&["plugin", "new", "my-cache"]);
    scratch.json(&["plugin", "new", "my-cache", "--dir", "elsewhere/again"]);
    let occupied = scratch.run(&["plugin", "new", "my-cache"]);
    assert!(occupied.status == 1 && occupied.stderr.contains("is not empty"), "{}", occupied.stderr);
    let no_sdk = scratch.run(&["plugin", "new", "other", "--sdk", "."]);
    assert!(no_sdk.status == 1 && no_sdk.stderr.contains("--sdk . is not the SDK"), "{}", no_sdk.stderr);
    assert!(!scratch.path("other").exists(), "a project that cannot be built is not begun");

    let (first, second) = (build(&scratch, "my-cache"), build(&scratch, "elsewhere/again"));
    assert_eq!(first["digest"], second["digest"], "the same sources give the same digest, wherever they are");
    let component = std::fs::read(scratch.path("my-cache.wasm")).unwrap();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let here = Path::new(here).canonicalize().unwrap();
    let text = String::from_utf8_lossy(&component);
    assert!(!text.contains(here.to_str().unwrap()), "no path of this machine is in a plugin");

    let report = scratch.json(&["plugin", "check", "my-cache.wasm"]);
    let answer = scratch.run(&["plugin", "check", "my-cache.wasm"]);
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "progress is for terminals only");
    assert_eq!((&report["name"], &report["digest"]), (&"my-cache".into(), &first["digest"]));
    assert_eq!(report["stages"][1]["stages"], serde_json::json!(["configure", "self-test"]));

    let dev = scratch.dev(&[]);
    assert_eq!(scratch.json(&["plugin", "push", "my-cache.wasm", "--dry-run"])["result"], "valid");
    assert_eq!(scratch.json(&["get", "plugins"]), serde_json::json!([]));
    assert_eq!(scratch.json(&["plugin", "push", "my-cache.wasm"])["result"], "published");
    assert_eq!(scratch.json(&["plugin", "push", "my-cache.wasm"])["result"], "unchanged");
    assert_eq!(scratch.json(&["get", "plugins", "my-cache@0.1.0"])["digest"], first["digest"]);

    let manifest = "my-cache/strategy.yaml";
    assert_eq!(scratch.json(&["apply", "-f", manifest, "--dry-run"])[0]["result"], "valid");
    assert_eq!(scratch.json(&["apply", "-f", manifest])[0]["result"], "created");
    assert_eq!(scratch.json(&["apply", "-f", manifest])[0]["result"], "unchanged");
    let node = dev.ready["node"].as_str().unwrap();
    wait_for("the strategy to be active", || {
        let status = scratch.run(&["get", "nodes", node, "-o", "json"]);
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        let slots = status["slots"].as_array()?;
        slots.iter().any(|slot| slot["active"]["digest"] == first["digest"]).then_some(())
    });

    refused(&scratch, manifest);
    assert_eq!(scratch.json(&["delete", "strategy", "my-cache"])["result"], "deleted");
    assert_eq!(scratch.json(&["get", "strategies"]), serde_json::json!([]));
    assert!(dev.terminate().success());
}

/// A mistake names file, key, value and what would be right, and changes nothing.
fn refused(scratch: &Scratch, manifest: &str) {
    // How far the node is with it is part of what is shown, and stays so from here on.
    scratch.json(&["wait", "strategy", "my-cache", "--timeout", "2m"]);
    let before = scratch.json(&["get", "strategies"]);
    let text = std::fs::read_to_string(scratch.path(manifest)).unwrap();
    let check = |text: &str, expected: &str| {
        scratch.write("bad.yaml", text);
        let answer = scratch.run(&["apply", "-f", "bad.yaml"]);
        assert!(answer.status == 1 && answer.stderr.contains(expected), "{expected}: {}", answer.stderr);
    };
    check(&format!("{text}  configuration: {{ speed: 11 }}\n"), "bad.yaml: spec.configuration: ");
    check(&text.replace("@0.1.0", "@0.2.0"), "bad.yaml: my-cache: the plugin my-cache@0.2.0 is not published");
    check(&format!("{text}  limits: {{ memory_bytes: 0 }}\n"), "limits.memory_bytes is 0: expected 1 to ");
    check(&format!("{text}---\n{}", text.replace("name: my-cache", "name: other")), "my-cache");
    assert_eq!(scratch.json(&["get", "strategies"]), before);
}

#[test]
fn what_is_no_plugin_project_is_told() {
    let scratch = Scratch::new();
    let check = |lib: &str, expected: &str| {
        let manifest =
            format!("[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{lib}\n[workspace]\n");
        std::fs::create_dir_all(scratch.path("a/src")).unwrap();
        scratch.write("a/Cargo.toml", &manifest);
        scratch.write("a/src/lib.rs", "");
        // A folder of its own: Cargo lets one build at a time into a folder.
        let target = scratch.path("target");
        let output = scratch.command(&["plugin", "build", "a"]).env("CARGO_TARGET_DIR", target).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(expected), "{expected}: {stderr}");
    };
    check("", "builds no plugin: expected `crate-type");
    check("[lib]\ncrate-type = [\"cdylib\"]", "does the crate depend on switchyard-sdk");
}
