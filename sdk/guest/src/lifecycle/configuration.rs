use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Values in error messages are cut: a configuration may be large.
const VALUE_CHARS_MAX: usize = 80;

/// The configuration of a strategy that has nothing to configure: an empty object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfiguration {}

/// Reads a configuration. An error is a sentence that names the key and the value.
pub fn parse_configuration<C>(text: &str) -> Result<C, String>
where
    C: DeserializeOwned + Serialize + Default,
{
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the configuration is not JSON: {error}"))?;
    match &value {
        Value::Object(given) => C::deserialize(&value).map_err(|error| explain::<C>(given, &error)),
        // serde would take an array for a structure's fields in their order.
        other => Err(format!("the configuration is {}: expected an object", shown(other))),
    }
}

/// serde says what is wrong but not always where: each key is tried alone on top of the default, and the first that
/// breaks it is named.
fn explain<C: DeserializeOwned + Serialize + Default>(given: &Map<String, Value>, error: &serde_json::Error) -> String {
    if let Ok(Value::Object(default)) = serde_json::to_value(C::default()) {
        for (key, value) in given {
            let mut candidate = default.clone();
            candidate.insert(key.clone(), value.clone());
            if let Err(error) = C::deserialize(Value::Object(candidate)) {
                return format!("configuration key {key:?} has the value {}: {error}", shown(value));
            }
        }
    }
    format!("the configuration is not valid: {error}")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        percent: u8,
        name: String,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { percent: 10, name: "x".to_owned() }
        }
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let expected = Sample { percent: 5, ..Sample::default() };
        assert_eq!(parse_configuration(r#"{"percent": 5}"#), Ok(expected));
        assert_eq!(parse_configuration("{}"), Ok(NoConfiguration {}));
    }

    #[test]
    fn an_error_names_key_and_value() {
        let check = |text: &str, expected: &str| {
            let error = parse_configuration::<Sample>(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        };
        check(r#"{"percent": "ten"}"#, r#"configuration key "percent" has the value "ten": invalid type"#);
        check(r#"{"percent": 300}"#, r#"configuration key "percent" has the value 300: invalid value"#);
        check(r#"{"name": "a", "per_cent": 3}"#, r#"configuration key "per_cent" has the value 3: unknown field"#);
        check("[]", "the configuration is []: expected an object");
        check("{", "the configuration is not JSON");
        let long = format!(r#"{{"percent": "{}"}}"#, "é".repeat(1000));
        assert!(parse_configuration::<Sample>(&long).expect_err("too long").chars().count() < 1300);
    }
}
