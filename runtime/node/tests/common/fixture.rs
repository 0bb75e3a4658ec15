//! A plugin that passes every test and fails in production, from the text of the host's honest fixture.

use std::{fs, path::Path};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A caching plugin made of the host's honest fixture, with these bodies of it replaced by name.
pub(crate) fn caching(bodies: &[(&str, &str)]) -> Vec<u8> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = fs::read_to_string(runtime.join("host/tests/hostile/base.wat")).unwrap();
    for (name, body) in bodies {
        let end = format!(";; end {name}");
        assert!(text.contains(&end), "the fixture has a body for {name}");
        text = text.replace(&end, &format!("{body}\n    {end}"));
    }
    encode(&text, &runtime.join("../sdk/wit"))
}

/// Counts its stores, also over instances, and shows the count as its own counter. `store` is done at every one.
pub(crate) fn remembers(version: u32, store: &str) -> Vec<u8> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/hostile/remembers.wat");
    let text = fs::read_to_string(fixture).unwrap();
    let version = format!("(i32.store8 (i32.const 2064) (i32.const {}))", 48 + version);
    let mut bodies = vec![("describe", version.as_str()), ("store", store)];
    for part in text.split(";; begin ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap();
        bodies.push((name, rest.split_once(";; end").unwrap().0));
    }
    caching(&bodies)
}

/// Takes its time to be configured: a good part of a second of every instance's budget.
pub(crate) fn slow() -> Vec<u8> {
    let body = "(local $left i64) (local.set $left (i64.const 100000000))
        (loop $again
          (local.set $left (i64.sub (local.get $left) (i64.const 1)))
          (br_if $again (i64.ne (local.get $left) (i64.const 0))))";
    caching(&[("configure", body)])
}

/// Admits everything, and traps where an entry asks for just this time to live.
pub(crate) fn traps_on_ttl(ttl_ms: u64) -> Vec<u8> {
    // The sixth parameter of `store` is the entry's time to live.
    caching(&[("store", &format!("(if (i64.eq (local.get 5) (i64.const {ttl_ms})) (then unreachable))"))])
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
