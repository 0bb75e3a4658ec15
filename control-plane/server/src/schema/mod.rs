mod expansion;
#[cfg(test)]
mod random_tests;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::problem::DETAILS_MAX;

/// Characters of one finding: enough for a path and a sentence, whatever the plugin or the caller wrote.
const DETAIL_CHARS_MAX: usize = 300;

/// Bytes of one compiled pattern of a schema.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A plugin's JSON Schema, ready to hold configurations against.
pub(crate) struct ConfigurationSchema {
    validator: Validator,
    /// With every reference written out.
    nodes: usize,
}

impl ConfigurationSchema {
    /// Compiles a schema of draft 2020-12, or says in one sentence what is wrong with it. The schema comes from whoever
    /// wrote the plugin: nothing is fetched for it, and patterns are matched in linear time.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let nodes = expansion::expanded(schema)
            .map_err(|reason| format!("the configuration schema cannot be used: {reason}"))?;
        jsonschema::draft202012::meta::validate(schema).map_err(|error| {
            let finding = finding("schema", error.instance_path().as_str(), &error);
            format!("the configuration schema is not valid JSON Schema 2020-12: {finding}")
        })?;
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = options.with_pattern_options(patterns).build(schema).map_err(|error| {
            let finding = finding("schema", error.instance_path().as_str(), &error);
            format!("the configuration schema cannot be used: {finding}")
        })?;
        Ok(Self { validator, nodes })
    }

    /// What is wrong with a configuration, one entry a finding; empty: nothing.
    pub(crate) fn findings(&self, configuration: &Value) -> Vec<String> {
        if !expansion::affordable(self.nodes, configuration) {
            return vec!["configuration: it is too large to be held against its schema: make it smaller".to_owned()];
        }
        let errors = self.validator.iter_errors(configuration).take(DETAILS_MAX);
        errors.map(|error| finding("configuration", error.instance_path().as_str(), &error)).collect()
    }
}

/// `configuration.ratio: 7 is greater than the maximum of 1`.
fn finding(root: &str, pointer: &str, error: &dyn std::fmt::Display) -> String {
    let path = pointer.replace('/', ".");
    short(&format!("{root}{path}: {error}"))
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(DETAIL_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "small_percent": {"type": "integer", "minimum": 1, "maximum": 99},
                "lanes": {"type": "array", "items": {"$ref": "#/$defs/lane"}},
                "name": {"type": "string", "pattern": "^[a-z]+$"},
            },
            "required": ["small_percent"],
            "additionalProperties": false,
            "$defs": {"lane": {"type": "object", "properties": {"weight": {"type": "number"}}}},
        })
    }

    #[test]
    fn every_finding_names_its_path() {
        let schema = ConfigurationSchema::compile(&schema()).unwrap();
        let check = |configuration: Value, expected: &[&str]| {
            let findings = schema.findings(&configuration);
            assert_eq!(findings.len(), expected.len(), "{configuration}: {findings:?}");
            for (finding, start) in findings.iter().zip(expected) {
                assert!(finding.starts_with(start), "{finding} should start with {start}");
            }
        };
        check(json!({"small_percent": 10}), &[]);
        check(json!({"small_percent": 100}), &["configuration.small_percent: 100 is greater than the maximum of 99"]);
        check(json!({}), &["configuration: \"small_percent\" is a required property"]);
        check(json!({"small_percent": 1, "x": 1}), &["configuration: Additional properties are not allowed ('x'"]);
        check(
            json!({"small_percent": "x", "lanes": [{"weight": 1}, {"weight": "y"}]}),
            &[
                "configuration.lanes.1.weight: \"y\" is not of type \"number\"",
                "configuration.small_percent: \"x\" is not of type",
            ],
        );
        check(json!(7), &["configuration: 7 is not of type \"object\""]);
    }

    #[test]
    fn findings_are_few_and_short() {
        let schema = ConfigurationSchema::compile(&schema()).unwrap();
        let lanes: Vec<_> = (0..100).map(|_| json!("x".repeat(1_000))).collect();
        let findings = schema.findings(&json!({"small_percent": 1, "lanes": lanes}));
        assert_eq!(findings.len(), DETAILS_MAX);
        assert!(findings.iter().all(|finding| finding.chars().count() <= DETAIL_CHARS_MAX + 1));
        let huge = json!({"small_percent": 1, "lanes": vec![1; 200_000]});
        assert!(schema.findings(&huge).iter().all(|finding| finding.contains("too large")));
    }

    #[test]
    fn what_is_no_schema_of_its_own_is_refused() {
        for (schema, expected) in [
            (json!(7), "is not valid JSON Schema"),
            (json!({"type": "whole"}), "schema.type"),
            (json!({"properties": []}), "schema.properties"),
            (json!({"$ref": "https://example.org/schema.json"}), "is not in the schema"),
            (json!({"$ref": "file:///etc/passwd"}), "is not in the schema"),
            (json!({"pattern": "(("}), "schema"),
            (json!({"pattern": "(a{1000}){1000}"}), "cannot be used"),
        ] {
            let error = ConfigurationSchema::compile(&schema).err().unwrap_or_default();
            assert!(error.contains(expected), "{schema}: {error:?}");
        }
    }
}
