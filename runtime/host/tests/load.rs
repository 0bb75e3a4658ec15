//! From bytes to a strategy: what is refused, at which stage, and that the rest is shared.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use serde_json::json;
use switchyard_types::{Limits, Stage};

use support::{component, encode, encode_for, host, plugin, splice};

#[test]
fn a_plugin_is_described_and_shared_by_digest() {
    let host = host();
    let one = plugin(&host, "honest");
    let two = plugin(&host, "honest");
    assert_eq!(one.manifest().name.as_str(), "hostile");
    assert_eq!(one.manifest().interests.batch, 64);
    assert_eq!(one.manifest().counters, ["stored"]);
    assert_eq!(host.gauges().compiled_plugins, 1);
    assert_eq!(one.digest(), two.digest());
    drop((one, two));
    assert_eq!((host.gauges().compiled_plugins, host.gauges().live_instances), (0, 0));
}

#[test]
fn each_fault_is_refused_at_its_stage() {
    let host = host();
    let check = |fixture: &str, stage: Stage, expected: &str| {
        let outcome = host.load(&component(fixture)).and_then(|plugin| plugin.strategy(&json!({}), Limits::DEFAULT));
        let failure = outcome.expect_err(fixture).failure();
        assert_eq!(failure.stage, stage, "{fixture}: {failure}");
        assert!(failure.reason.contains(expected), "{fixture}: {failure}");
        assert_eq!((host.gauges().live_instances, host.gauges().live_bytes), (0, 0), "{fixture} leaves nothing behind");
    };
    check("loop-describe", Stage::Describe, "CPU budget");
    check("loop-start", Stage::Describe, "CPU budget");
    check("loop-configure", Stage::Configure, "CPU budget");
    check("loop-adopt", Stage::SelfTest, "adopt: the call used its CPU budget");
    check("trap-every-call", Stage::SelfTest, "store: the plugin trapped");
}

#[test]
fn what_is_not_a_plugin_is_refused_with_what_to_do() {
    let host = host();
    let check = |bytes: &[u8], stage: Stage, expected: &str| {
        let failure = host.load(bytes).err().expect(expected).failure();
        assert_eq!(failure.stage, stage, "{failure}");
        assert!(failure.reason.contains(expected), "{failure}");
    };
    check(b"not wasm at all", Stage::Compile, "not WebAssembly");
    check(&wat::parse_str("(module)").expect("a module"), Stage::Compile, "core WebAssembly module");
    check(&wat::parse_str("(component)").expect("a component"), Stage::Link, "does not export");
    let honest = component("honest");
    check(&honest[..honest.len() / 2], Stage::Compile, "not a valid component");
    let socket = wat::parse_str(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "x" (func)))))"#);
    check(&socket.expect("a component"), Stage::Link, "wasi:sockets/tcp@0.2.0, which no plugin gets");
    let older =
        wat::parse_str(r#"(component (import "switchyard:lifecycle/host@0.0.9" (instance (export "log" (func)))))"#);
    check(&older.expect("a component"), Stage::Link, "rebuild the plugin");
}

#[test]
fn a_plugin_for_other_contracts_is_refused_by_name() {
    let host = host();
    let base = include_str!("hostile/base.wat");
    let check = |from: &str, to: &str, expected: &[&str]| {
        let failure = host.load(&encode_for(base, from, to)).err().expect(to).failure();
        assert_eq!(failure.stage, Stage::Link, "{failure}");
        assert!(expected.iter().all(|part| failure.reason.contains(part)), "{to}: {failure}");
    };
    check("@0.1.0", "@0.2.0", &["switchyard:lifecycle/host@0.2.0", "not 0.2.0", "rebuild"]);
    check("switchyard:caching", "switchyard:cooking", &["does not export switchyard:caching/caching@0.1.0"]);
    check("        stored,", "        kept,", &["contract's type", "rebuild"]);
}

#[test]
fn a_description_is_checked() {
    let host = host();
    let base = include_str!("hostile/base.wat");
    let check = |from: &str, to: &str, expected: &str| {
        assert!(base.contains(from), "{from}");
        let failure = host.load(&encode(&splice(base.replace(from, to), ""))).err().expect(to).failure();
        assert_eq!(failure.stage, Stage::Describe, "{failure}");
        assert!(failure.reason.contains(expected), "{to}: {failure}");
    };
    check("\"hostile\"", "\"Hostile\"", "plugin name");
    check("\"0.1.0\"", "\"0.one\"", "semantic version");
    check("\"caching\"", "\"cooking\"", "cooking");
    check("\"{}\"", "\"{]\"", "configuration-default is not JSON");
    check("\"hit\"", "\"h t\"", "interests.events");
    check("\"\\40\\00\\00\\00\"", "\"\\00\\02\\00\\00\"", "interests.batch is 512");
}
