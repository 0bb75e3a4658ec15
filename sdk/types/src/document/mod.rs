//! What operators declare and the API answers, and manifests that hold it.

mod declaration;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    RouteName, StrategyName, StrategySpec, StrategyStatus,
    route::{RouteSpec, RouteStatus},
};

pub use declaration::Declaration;

/// The one shape of what operators declare and the API answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document<Name, Spec, Status> {
    /// `Strategy` or `Route`.
    pub kind: String,
    /// Its name, unique among documents of its kind.
    pub name: Name,
    /// Free labels, for people and selections.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The store's version of this document. A replacement that carries it is refused when the document has changed
    /// since; none: whatever stands there is replaced.
    #[serde(default, rename = "resourceVersion", skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<u64>,
    /// What is wanted.
    pub spec: Spec,
    /// What the server adds; ignored when it is sent.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// A declared strategy.
pub type StrategyDocument = Document<StrategyName, StrategySpec, StrategyStatus>;

/// A declared route.
pub type RouteDocument = Document<RouteName, RouteSpec, RouteStatus>;

/// Why a text holds no documents.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not YAML or JSON of this shape. The text names line, key and value.
    #[error("{0}")]
    Malformed(String),
    /// Too large.
    #[error("the manifest has {bytes} bytes: at most {limit} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// Nothing in it.
    #[error("the manifest holds no document")]
    Empty,
}

/// A manifest holds declarations, not data.
const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Reads the documents of a YAML manifest (JSON is YAML): one, or several with `---` between them.
pub fn parse_documents(text: &str) -> Result<Vec<Declaration>, DocumentError> {
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(DocumentError::TooLarge { bytes: text.len(), limit: MANIFEST_BYTES_MAX });
    }
    let documents: Vec<Declaration> =
        serde_saphyr::from_multiple(text).map_err(|error| DocumentError::Malformed(error.to_string()))?;
    if documents.is_empty() { Err(DocumentError::Empty) } else { Ok(documents) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "
kind: Strategy
name: sessions
labels: { team: web }
spec:
  kind: caching
  plugin: caching-s3fifo@0.1.0
  priority: 2
  configuration: { small_percent: 10 }
";

    const ROUTE: &str = "
kind: Route
name: shop
spec:
  path_prefix: /shop
  backends: [{ name: a, address: 127.0.0.1:80 }]
";

    fn strategy(text: &str) -> StrategyDocument {
        match parse_documents(text).expect("valid").remove(0) {
            Declaration::Strategy(document) => document,
            Declaration::Route(document) => unreachable!("{document:?}"),
        }
    }

    #[test]
    fn a_manifest_is_read() {
        let document = strategy(MANIFEST);
        assert_eq!(document.name.as_str(), "sessions");
        assert_eq!(document.spec.priority, 2);
        assert_eq!(document.spec.configuration, Some(serde_json::json!({"small_percent": 10})));
    }

    #[test]
    fn kinds_may_be_mixed_and_keys_in_any_order() {
        let documents = parse_documents(&format!("{MANIFEST}---{ROUTE}")).expect("valid");
        let names: Vec<_> = documents.iter().map(|one| (one.word(), one.name())).collect();
        assert_eq!(names, [("strategy", "sessions"), ("route", "shop")]);
        let last = MANIFEST.replace("kind: Strategy\n", "") + "kind: Strategy\n";
        assert_eq!(strategy(&last), strategy(MANIFEST));
    }

    #[test]
    fn several_documents_in_one_manifest() {
        let text = format!("{MANIFEST}---{}", MANIFEST.replace("sessions", "pages"));
        assert_eq!(parse_documents(&text).expect("valid").len(), 2);
    }

    #[test]
    fn json_is_yaml() {
        let text = r#"{"kind":"Strategy","name":"a","spec":{"kind":"caching","plugin":"caching-lru@0.1.0"}}"#;
        assert_eq!(parse_documents(text).expect("valid").len(), 1);
    }

    #[test]
    fn an_error_names_the_key() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = parse_documents(&MANIFEST.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(expected), "{to}: {error}");
        };
        check("priority: 2", "prioritee: 2", "prioritee");
        check("caching-s3fifo@0.1.0", "caching-s3fifo", "name@version");
        check("kind: caching", "kind: cooking", "cooking");
        check("kind: Strategy", "kind: Rout", "kind is \"Rout\": expected \"Strategy\" or \"Route\"");
        check("kind: Strategy", "kind: Route", "unknown field `kind`");
        check("kind: Strategy\n", "", "missing field `kind`");
        check("name: sessions", "name: ../sessions", "strategy name");
        let wrong =
            parse_documents(&ROUTE.replace("path_prefix", "path_prefiks")).expect_err("no such key").to_string();
        assert!(wrong.contains("path_prefiks") && wrong.contains("line 5"), "{wrong}");
        assert!(matches!(parse_documents(""), Err(DocumentError::Empty | DocumentError::Malformed(_))));
    }
}
