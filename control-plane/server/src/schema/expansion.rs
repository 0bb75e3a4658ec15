//! How much work a schema can make, known before anything is checked by it. Checking follows every reference wherever it
//! stands: twenty definitions that each name the next one twice are a kilobyte of text and a million checks, and one that
//! names itself has no bound at all. The schema comes with an upload, so it is measured first.

use std::collections::HashMap;

use serde_json::Value;

/// Values of a schema with every reference written out. A configuration has tens of settings.
const NODES_MAX: usize = 10_000;
/// References within references.
const DEPTH_MAX: usize = 64;
/// Values of a schema times values of a configuration: each may be held against each.
const WORK_MAX: usize = 200_000;
/// Bytes of text that count as one value.
const TEXT_BYTES: usize = 64;

/// The number of values of a schema with every reference written out, or why that is not known or too large.
pub(super) fn expanded(schema: &Value) -> Result<usize, String> {
    let mut expansion = Expansion { root: schema, open: Vec::new(), known: HashMap::new() };
    expansion.values(schema)
}

/// Whether a configuration is small enough to be held against a schema of this size.
pub(super) fn affordable(schema_nodes: usize, configuration: &Value) -> bool {
    weight(configuration).saturating_mul(schema_nodes) <= WORK_MAX
}

struct Expansion<'a> {
    root: &'a Value,
    /// References that are being followed, outermost first.
    open: Vec<&'a str>,
    /// The sizes of those that were.
    known: HashMap<&'a str, usize>,
}

impl<'a> Expansion<'a> {
    /// Data such as defaults counts too: telling it from schemas would need every keyword's meaning, and it is small.
    fn values(&mut self, value: &'a Value) -> Result<usize, String> {
        let mut total = 1_usize;
        match value {
            Value::Object(members) => {
                let at_root = std::ptr::eq(value, self.root);
                for (key, member) in members {
                    total += match (key.as_str(), member) {
                        ("$ref", Value::String(reference)) => self.reference(reference)?,
                        ("$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor", Value::String(_)) => {
                            return Err(format!("{key} is not taken: refer to definitions as #/$defs/NAME"));
                        }
                        ("$id", Value::String(_)) if !at_root => {
                            return Err("$id stands inside the schema: it may stand at its top only".to_owned());
                        }
                        _ => self.values(member)?,
                    };
                }
            }
            Value::Array(items) => {
                for item in items {
                    total += self.values(item)?;
                }
            }
            _ => {}
        }
        if total > NODES_MAX {
            return Err(format!(
                "it has more than {NODES_MAX} parts with every reference written out: make it smaller"
            ));
        }
        Ok(total)
    }

    fn reference(&mut self, reference: &'a str) -> Result<usize, String> {
        let shown = || reference.chars().take(80).collect::<String>();
        if let Some(known) = self.known.get(reference) {
            return Ok(*known);
        }
        if self.open.contains(&reference) {
            return Err(format!("{} refers to itself: write out as many levels as are needed", shown()));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("references are nested deeper than {DEPTH_MAX}"));
        }
        let target = match reference.strip_prefix('#') {
            Some(pointer) if !pointer.contains('%') => self.root.pointer(pointer),
            _ => None,
        };
        let Some(target) = target else {
            return Err(format!("{} is not in the schema: refer to definitions as #/$defs/NAME", shown()));
        };
        self.open.push(reference);
        let size = self.values(target)?;
        self.open.pop();
        self.known.insert(reference, size);
        Ok(size)
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.iter().map(|(key, value)| text(key) + weight(value)).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::String(string) => 1 + text(string),
        _ => 1,
    }
}

fn text(text: &str) -> usize {
    text.len() / TEXT_BYTES
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    /// Definitions that each name the next one `times` times.
    fn chain(length: usize, times: usize) -> Value {
        let mut definitions = Map::new();
        for n in 0..length {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            definitions.insert(format!("d{n}"), json!({"oneOf": vec![next; times]}));
        }
        definitions.insert(format!("d{length}"), json!({"type": "object"}));
        json!({"$defs": definitions, "$ref": "#/$defs/d0"})
    }

    #[test]
    fn references_count_wherever_they_stand() {
        let one = json!({"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}});
        let two = json!({"$defs": {"a": {"type": "string"}},
                         "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#/$defs/a"}}});
        assert_eq!(expanded(&two).unwrap(), expanded(&one).unwrap() + 3);
        assert_eq!(expanded(&json!(true)), Ok(1));
    }

    #[test]
    fn what_explodes_is_refused() {
        assert!(expanded(&chain(8, 2)).is_ok());
        for (schema, expected) in [
            (chain(20, 2), "more than 10000 parts"),
            (chain(60, 2), "more than 10000 parts"),
            (chain(40_000, 1), "deeper than 64"),
            (json!({"enum": vec![0; NODES_MAX]}), "more than 10000 parts"),
        ] {
            let error = expanded(&schema).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_has_no_end_or_no_place_is_refused() {
        let pair = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
        let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        for (schema, expected) in [
            (json!({"$ref": "#"}), "refers to itself"),
            (pair, "refers to itself"),
            (tree, "refers to itself"),
            (json!({"$ref": "https://example.org/schema.json"}), "is not in the schema"),
            (json!({"$ref": "#anchor"}), "is not in the schema"),
            (json!({"$ref": "#/$defs/none"}), "is not in the schema"),
            (json!({"$defs": {"a b": {}}, "$ref": "#/$defs/a%20b"}), "is not in the schema"),
            (json!({"allOf": [{"$dynamicRef": "#x"}]}), "$dynamicRef is not taken"),
            (json!({"$defs": {"a": {"$id": "x"}}}), "$id stands inside"),
        ] {
            let error = expanded(&schema).unwrap_err();
            assert!(error.contains(expected), "{schema}: {error}");
        }
        assert!(expanded(&json!({"$id": "https://example.org/mine", "type": "object"})).is_ok());
        assert!(expanded(&json!({"properties": {"$ref": {"type": "string"}}})).is_ok());
    }

    #[test]
    fn large_configurations_need_small_schemas() {
        let list = |n: usize| json!({"list": vec![0; n]});
        assert!(affordable(100, &list(1_000)));
        assert!(!affordable(100, &list(10_000)));
        assert!(affordable(1, &list(10_000)));
        assert!(!affordable(1_000, &json!("x".repeat(1 << 20))));
    }
}
