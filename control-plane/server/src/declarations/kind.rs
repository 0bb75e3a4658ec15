use std::fmt::{Debug, Display};

use serde::{Serialize, de::DeserializeOwned};
use switchyard_types::{Document, Generation, LabelMatch, Selection};

use crate::problem::Problem;

/// Labels of a document, and of its selector.
const LABELS_MAX: usize = 64;

/// A kind of document that is part of the desired state.
pub(crate) trait Kind {
    type Name: Clone + PartialEq + Display + Debug + Serialize + DeserializeOwned + Send + Sync;
    type Spec: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync;
    type Status: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync;

    /// The document's `kind`.
    const KIND: &'static str;
    /// What messages call one.
    const WORD: &'static str;
    /// What messages and paths call several.
    const WORDS: &'static str;
    /// Where they are stored.
    const PREFIX: &'static str;
    /// So many at once: every node watches all of them.
    const COUNT_MAX: usize;

    /// Where one is stored.
    fn key(name: &Self::Name) -> String;

    /// Gives an accepted document its generation.
    fn set_generation(status: &mut Self::Status, generation: Generation);

    /// The generation that `candidate` keeps because nodes would do the same as with `current`.
    fn unchanged_generation(candidate: &DocumentOf<Self>, current: &DocumentOf<Self>) -> Option<Generation>;

    /// Refuses what cannot be beside the others; of these one may be the document's predecessor.
    fn check_others(candidate: &DocumentOf<Self>, others: &[DocumentOf<Self>]) -> Result<(), Problem>;
}

/// The documents of a kind.
pub(crate) type DocumentOf<K> = Document<<K as Kind>::Name, <K as Kind>::Spec, <K as Kind>::Status>;

/// Refuses a document of another kind, more labels than there may be, and a cohort without nodes.
pub(super) fn check_head<K: Kind>(document: &DocumentOf<K>, selection: Selection<'_>) -> Result<(), Problem> {
    if document.kind != K::KIND {
        let kind: String = document.kind.chars().take(80).collect();
        return Err(Problem::invalid(format_args!("kind is {kind:?}: expected {:?}", K::KIND)));
    }
    let wanted = &selection.selector.0;
    for (key, labels) in [("labels", document.labels.len()), ("spec.selector", wanted.len())] {
        if labels > LABELS_MAX {
            return Err(wrong(key, format_args!("it has {labels} labels: at most {LABELS_MAX} are taken")));
        }
    }
    for (label, wanted) in wanted {
        if matches!(wanted, LabelMatch::In(values) if values.is_empty() || values.len() > LABELS_MAX) {
            let reason = format_args!("expected one value, or a list of 1 to {LABELS_MAX}");
            return Err(wrong(&format!("spec.selector.{}", label.escape_debug()), reason));
        }
    }
    selection.cohort.check().map_err(|reason| {
        let detail = format!("spec.{reason}");
        Problem::invalid(&detail).with_details(vec![detail])
    })
}

/// What is wrong with one key, as message and as detail.
pub(super) fn wrong(key: &str, reason: impl Display) -> Problem {
    let detail = format!("{key}: {reason}");
    Problem::invalid(&detail).with_details(vec![detail])
}
