//! Random and mutated texts into every parser that reads what others wrote: an answer or an error, never a panic.
//!
//! The seed is printed; `SWITCHYARD_SEED` replays another.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use serde_json::Value;
use switchyard_replay::{Size, id::splitmix64};
use switchyard_types::{LimitsSpec, PluginManifest, PluginRef, StrategySpec, parse_bytes, parse_documents};

const INPUTS: usize = 100_000;
const SEED: u64 = 20_260_101;
/// A mutation is of a small text: what breaks a parser fits into it.
const BYTES_MAX: usize = 4_096;

const MANIFEST: &str = r#"{"name":"caching-lru","version":"0.1.0","digest":
"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","size_bytes":1234,"kinds":["caching"],
"contracts":["switchyard:caching@0.1.0"],"configuration_schema":{"type":"object","properties":{"a":{"minimum":1}}},
"configuration_default":{"a":1.5e3},"interests":{"events":["hit"],"batch":256,"tick_ms":null,"keys":false,
"dense_scores":false},"counters":["hits"],"gauges":[]}"#;

const DOCUMENT: &str = "kind: Strategy\nname: sessions\nlabels: { team: web }\nresourceVersion: 7\nspec:\n  kind: caching\n  \
plugin: caching-s3fifo@0.1.0\n  selector: { region: eu }\n  priority: -2\n  limits: { waited_call_us: 500 }\n  \
configuration: &c { small_percent: 10 }\n---\nkind: Strategy\nname: pages\nspec: { kind: caching, plugin: a@1.0.0 }\n";

const CONFIGURATION: &str = r#"{"small_percent":10,"ghost_percent":100,"promotion_hits":2,"fill_main":true}"#;

const SPEC: &str = r#"{"kind":"caching","plugin":"caching-lru@0.1.0","target":"","selector":{"region":"eu"},
"priority":2,"limits":{"waited_call_us":500,"memory_bytes":1048576},"configuration":{"small_percent":10}}"#;

/// What breaks parsers, if anything.
const TOKENS: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "\n",
    "\t",
    "---",
    "...",
    "&a",
    "*a",
    "<<: *a",
    "!!binary",
    "|",
    ">-",
    "\\u0000",
    "\\ud800",
    "1e999",
    "-0",
    "18446744073709551616",
    "null",
    "é",
    "\u{feff}",
    "%",
    "#",
];

struct Random(u64);

impl Random {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (splitmix64(self.0) % below.max(1) as u64) as usize
    }

    /// Random bytes, or a valid text with a few changes.
    fn input(&mut self, valid: &str) -> Vec<u8> {
        if self.draw(4) == 0 {
            return (0..self.draw(200)).map(|_| self.draw(256) as u8).collect();
        }
        let mut bytes = valid.as_bytes().to_vec();
        for _ in 0..=self.draw(6) {
            self.mutate(&mut bytes);
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.draw(bytes.len() + 1);
        let end = (at + self.draw(40)).min(bytes.len());
        match self.draw(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, TOKENS[self.draw(TOKENS.len())].bytes())),
            3 => drop(bytes.splice(at..end, TOKENS[self.draw(TOKENS.len())].bytes())),
            4 => {
                let part = bytes[at..end].to_vec();
                let times = self.draw(20);
                bytes.splice(at..at, part.repeat(times));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.draw(8);
                }
            }
        }
    }
}

/// Runs `parse` over the inputs and says how many it took: both kinds must occur, or nothing was tested.
fn check(name: &str, valid: &str, mut parse: impl FnMut(&[u8]) -> bool) {
    assert!(parse(valid.as_bytes()), "{name}: the valid text is valid");
    let seed = std::env::var("SWITCHYARD_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    let mut random = Random(seed);
    let mut taken = 0;
    for number in 0..INPUTS {
        let input = random.input(valid);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| parse(&input)));
        let Ok(outcome) = outcome else {
            panic!("{name}: seed {seed}, input {number}: {:?}", String::from_utf8_lossy(&input));
        };
        taken += usize::from(outcome);
    }
    println!("{name}: seed {seed}, {INPUTS} inputs, {taken} taken");
    assert!(taken > 0 && taken < INPUTS, "{name}: {taken} of {INPUTS}");
}

/// Every refusal says why.
fn refused(error: &impl std::fmt::Display) -> bool {
    assert!(!error.to_string().is_empty());
    false
}

#[test]
fn plugin_manifests() {
    check("plugin manifest", MANIFEST, |bytes| match PluginManifest::parse(bytes) {
        Ok(manifest) => PluginManifest::parse(&serde_json::to_vec(&manifest).unwrap()).unwrap() == manifest,
        Err(error) => refused(&error),
    });
}

#[test]
fn strategy_manifests() {
    check("strategy manifest", DOCUMENT, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        match parse_documents(text) {
            Ok(documents) => !documents.is_empty(),
            Err(error) => refused(&error),
        }
    });
}

#[test]
fn strategy_specifications() {
    check("strategy specification", SPEC, |bytes| match serde_json::from_slice::<StrategySpec>(bytes) {
        Ok(spec) => {
            assert!(spec.limits.resolve().is_ok() || spec.limits != LimitsSpec::default());
            true
        }
        Err(error) => refused(&error),
    });
}

#[test]
fn configurations() {
    let schema = schemars::schema_for!(caching_s3fifo::Configuration).to_value();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    check("configuration", CONFIGURATION, |bytes| {
        let Ok(configuration) = serde_json::from_slice::<Value>(bytes) else { return false };
        let valid = validator.is_valid(&configuration);
        // What the schema takes the plugin must be able to read: a node would refuse it otherwise.
        assert!(!valid || serde_json::from_value::<caching_s3fifo::Configuration>(configuration).is_ok());
        valid
    });
}

#[test]
fn sizes_and_references_of_the_command_line() {
    check("size", "128MiB", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let Ok(size) = text.parse::<Size>() else { return false };
        assert!(parse_bytes(text).is_ok() || size.to_string().parse::<u64>().is_ok());
        true
    });
    check("plugin reference", "caching-lru@0.1.0-rc.1+build", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let Ok(reference) = text.parse::<PluginRef>() else { return false };
        assert_eq!(reference.to_string().parse(), Ok(reference));
        true
    });
}
