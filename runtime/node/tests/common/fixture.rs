//! A plugin that passes every test and fails in production, from the text of the host's honest fixture.

use std::{fs, path::Path};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Admits everything, and traps where an entry asks for just this time to live.
pub(crate) fn traps_on_ttl(ttl_ms: u64) -> Vec<u8> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let base = fs::read_to_string(runtime.join("host/tests/hostile/base.wat")).unwrap();
    // The sixth parameter of `store` is the entry's time to live.
    let trap = format!("(if (i64.eq (local.get 5) (i64.const {ttl_ms})) (then unreachable))\n    ;; end store");
    assert!(base.contains(";; end store"), "the fixture has a body for store");
    encode(&base.replace(";; end store", &trap), &runtime.join("../sdk/wit"))
}

fn encode(text: &str, wit: &Path) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let mut push = |file: &str| resolve.push_str(file, &fs::read_to_string(wit.join(file)).unwrap()).unwrap();
    push("lifecycle/lifecycle.wit");
    let package = push("caching/caching.wit");
    let world = resolve.select_world(&[package], Some("caching-plugin")).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}
