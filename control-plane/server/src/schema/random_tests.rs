//! Random and mutated configurations against the schema of a real plugin, as `describe` gives it: an answer, never a
//! panic, and the one that the ranges of the plugin's documentation ask for.

use std::{cell::Cell, env, fs, path::Path};

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};
use switchyard_host::{Compiler, Host, HostConfig};

use super::{ConfigurationSchema, DETAIL_CHARS_MAX, DETAILS_MAX};

const CONFIGURATIONS: u32 = 100_000;

const VALID: &str = r#"{"small_percent":10,"ghost_percent":100,"promotion_hits":2,"fill_main":true}"#;

/// What is put into a valid text: what ends values, begins others and moves them out of their ranges.
const TOKENS: [&str; 18] =
    ["{}", "[]", "{", "}", ",", ":", "\"", "null", "true", "-", "0", "1", "9", ".0", ".5", "e1", "1e999", "é\\u0000"];

fn schema_of_caching_s3fifo() -> Value {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let file = env::var_os("SWITCHYARD_PLUGINS").map_or_else(beside, Into::into).join("caching-s3fifo.wasm");
    let component =
        fs::read(&file).map_err(|error| format!("{}: {error}: run cargo xtask test", file.display())).unwrap();
    let host = Host::new(HostConfig::new(Compiler::InProcess)).unwrap();
    host.load(&component).unwrap().manifest().configuration_schema.clone()
}

/// The oracle: what the plugin's documentation says of its four settings, without a schema.
fn is_right(configuration: &Value) -> bool {
    let setting = |(key, value): (&String, &Value)| match key.as_str() {
        "small_percent" => whole(value, 1, 90),
        "ghost_percent" => whole(value, 0, 400),
        "promotion_hits" => whole(value, 1, 3),
        "fill_main" => value.is_boolean(),
        _ => false,
    };
    configuration.as_object().is_some_and(|settings| settings.iter().all(setting))
}

/// JSON Schema counts 2.0 as whole. No range here comes near the numbers that a double does not tell apart.
fn whole(value: &Value, min: i32, max: i32) -> bool {
    let is_whole = |number: f64| number.fract() == 0.0 && (f64::from(min)..=f64::from(max)).contains(&number);
    value.as_f64().is_some_and(is_whole)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-2..405_i32).prop_map(Value::from),
        2 => (0..5_i32).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        1 => (0..100_u8).prop_map(|number| json!(f64::from(number) / 2.0)),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<String>().prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = select(vec!["small_percent", "ghost_percent", "promotion_hits", "fill_main"]);
    prop_oneof![12 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn settings(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((key(), value), 0..4).prop_map(|settings| Value::Object(Map::from_iter(settings)))
}

/// Settings that are near the right ones, values of any shape, and long lists: too much work for any schema.
fn random() -> impl Strategy<Value = Value> {
    let nested = scalar().prop_recursive(4, 20, 5, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from), settings(inner)]
    });
    let long = (1_000..20_000_usize).prop_map(|length| json!({ "small_percent": vec![1; length] }));
    prop_oneof![60 => settings(scalar()), 20 => nested, 1 => long]
}

/// The valid text with a few changes; what is no JSON any more does not come to the schema.
fn mutated() -> impl Strategy<Value = Value> {
    let change = (any::<Index>(), 0..4_usize, select(TOKENS.to_vec()));
    prop::collection::vec(change, 1..4).prop_filter_map("JSON", |changes| {
        let mut text: Vec<char> = VALID.chars().collect();
        for (at, removed, token) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, token.chars());
        }
        serde_json::from_str(&String::from_iter(text)).ok()
    })
}

#[test]
fn random_and_mutated_configurations_get_the_right_answer() {
    let schema = ConfigurationSchema::compile(&schema_of_caching_s3fifo()).unwrap();
    let right = Cell::new(0);
    let config = ProptestConfig::with_source_file(file!());
    let config = ProptestConfig { cases: CONFIGURATIONS, max_local_rejects: u32::MAX, ..config };
    TestRunner::new(config)
        .run(&prop_oneof![random(), mutated()], |configuration| {
            let findings = schema.findings(&configuration);
            prop_assert_eq!(findings.is_empty(), is_right(&configuration), "{}: {:?}", configuration, findings);
            prop_assert!(findings.len() <= DETAILS_MAX);
            for finding in &findings {
                prop_assert!(finding.starts_with("configuration"), "{}", finding);
                prop_assert!(finding.chars().count() <= DETAIL_CHARS_MAX + 1, "{}", finding);
            }
            right.set(right.get() + u32::from(findings.is_empty()));
            Ok(())
        })
        .unwrap();
    // Both kinds, and enough of each, or nothing was tested.
    assert!((CONFIGURATIONS / 20..CONFIGURATIONS / 20 * 19).contains(&right.get()), "{} were right", right.get());
}
