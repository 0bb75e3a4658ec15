//! What a plugin says of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::lifecycle::{Identity, Interests, Measures, NoConfiguration, describe};

const IDENTITY: Identity = Identity::new("sample", "1.2.3");

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    /// How much of it.
    #[schemars(range(min = 1, max = 90))]
    percent: u8,
}

impl Default for Sample {
    fn default() -> Self {
        Self { percent: 10 }
    }
}

#[test]
fn a_description_holds_schema_and_default() {
    const MEASURES: Measures =
        Measures::new(Interests::NONE.with_hits().with_tick_ms(50), &["ghost_hits"], &["length"]);
    let description = describe::<Sample>(IDENTITY, "caching", Some("sample/1"), MEASURES);
    assert_eq!((description.name.as_str(), description.version.as_str()), ("sample", "1.2.3"));
    assert_eq!(description.kinds, ["caching"]);
    assert_eq!(description.configuration_default, r#"{"percent":10}"#);
    let schema: serde_json::Value = serde_json::from_str(&description.configuration_schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["percent"]["maximum"], 90);
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!((description.interests.events.as_slice(), description.interests.batch), (&["hit".to_owned()][..], 256));
    assert_eq!((description.interests.tick_ms, description.interests.keys), (Some(50), false));
    assert_eq!((description.counters, description.gauges), (vec!["ghost_hits".to_owned()], vec!["length".to_owned()]));
    assert_eq!(description.state_format.as_deref(), Some("sample/1"));
}

#[test]
fn a_plugin_without_configuration_takes_an_empty_object() {
    const MEASURES: Measures = Measures::new(Interests::NONE, &[], &[]);
    let description = describe::<NoConfiguration>(IDENTITY, "caching", None, MEASURES);
    let schema: serde_json::Value = serde_json::from_str(&description.configuration_schema).unwrap();
    assert_eq!((description.configuration_default.as_str(), &schema["additionalProperties"]), ("{}", &false.into()));
    assert!(description.interests.events.is_empty());
}
