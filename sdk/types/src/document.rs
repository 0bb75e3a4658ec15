use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{StrategyName, StrategySpec, StrategyStatus};

/// The one shape of what operators declare and the API answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document<Spec, Status> {
    /// `Strategy`.
    pub kind: String,
    /// The strategy's name.
    pub name: StrategyName,
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
pub type StrategyDocument = Document<StrategySpec, StrategyStatus>;

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
    /// A kind that does not exist.
    #[error("kind is {0:?}: expected \"Strategy\"")]
    UnknownKind(String),
    /// Nothing in it.
    #[error("the manifest holds no document")]
    Empty,
}

/// A manifest holds declarations, not data.
const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Reads the documents of a YAML manifest (JSON is YAML): one, or several with `---` between them.
pub fn parse_documents(text: &str) -> Result<Vec<StrategyDocument>, DocumentError> {
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(DocumentError::TooLarge { bytes: text.len(), limit: MANIFEST_BYTES_MAX });
    }
    let documents: Vec<StrategyDocument> = from_yaml(text)?;
    if documents.is_empty() {
        return Err(DocumentError::Empty);
    }
    match documents.iter().find(|document| document.kind != "Strategy") {
        Some(unknown) => Err(DocumentError::UnknownKind(unknown.kind.chars().take(80).collect())),
        None => Ok(documents),
    }
}

fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, DocumentError> {
    serde_saphyr::from_multiple(text).map_err(|error| DocumentError::Malformed(error.to_string()))
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

    #[test]
    fn a_manifest_is_read() {
        let documents = parse_documents(MANIFEST).expect("valid");
        let [document] = documents.as_slice() else { unreachable!("one document") };
        assert_eq!(document.name.as_str(), "sessions");
        assert_eq!(document.spec.priority, 2);
        assert_eq!(document.spec.configuration, Some(serde_json::json!({"small_percent": 10})));
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
        check("kind: Strategy", "kind: Route", "Route");
        check("name: sessions", "name: ../sessions", "strategy name");
        assert!(matches!(parse_documents(""), Err(DocumentError::Empty | DocumentError::Malformed(_))));
    }
}
