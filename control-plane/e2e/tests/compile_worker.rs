//! The compile worker: a component that is made to exhaust a compiler is stopped by the worker's own limits, and nothing
//! happens to whoever asked.

#![allow(clippy::expect_used, reason = "tests")]

use std::fmt::Write as _;

use switchyard_e2e::paths;
use switchyard_host::{Compiler, Host, HostConfig, HostError};
use switchyard_types::Stage;

fn host() -> Host {
    let program = paths::switchyard().expect("the binary");
    Host::new(HostConfig::new(Compiler::Worker { program, arguments: vec!["compile-worker".into()] })).expect("a host")
}

/// A component of one function, so long that register allocation never comes to its end within the limits.
fn endless_for_a_compiler() -> Vec<u8> {
    let mut body = String::new();
    for index in 0..400_000u32 {
        let (from, to) = (index % 64, (index * 7 + 1) % 64);
        write!(body, "(local.set {to} (i64.mul (local.get {from}) (i64.add (local.get {to}) (i64.const {index}))))")
            .expect("text");
        if index % 5 == 0 {
            write!(body, "(br_if {} (i64.eqz (local.get {from})))", index % 32).expect("text");
        }
    }
    let locals = "i64 ".repeat(64);
    let text = format!(
        "(component (core module (func (export \"f\") (local {locals}) {} {body} {})))",
        "(block ".repeat(33),
        ")".repeat(33),
    );
    wat::parse_str(text).expect("valid text")
}

#[test]
fn an_ordinary_plugin_is_compiled_by_the_worker() {
    let bytes = std::fs::read(paths::plugin("caching-lru").expect("the plugin")).expect("its bytes");
    let plugin = host().load(&bytes).expect("it loads");
    assert_eq!(plugin.manifest().name.as_str(), "caching-lru");
}

#[test]
fn what_exhausts_a_compiler_is_stopped_by_its_limits() {
    let host = host();
    let error = host.load(&endless_for_a_compiler()).err().expect("it is stopped");
    assert!(matches!(error, HostError::CompileLimit(_)), "{error:?}");
    assert_eq!(error.stage(), Stage::Compile);
    an_ordinary_plugin_is_compiled_by_the_worker();
}

#[test]
fn what_is_not_a_component_is_the_plugins_fault_and_not_a_limit() {
    let error = host().load(b"\0asm\x0d\0\x01\0not a section").err().expect("refused");
    assert!(matches!(error, HostError::Invalid(_)), "{error:?}");
}
