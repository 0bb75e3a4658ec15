use crate::Revision;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A precondition did not hold; nothing was changed.
    #[error("{key} has changed: it is at revision {found:?}")]
    Conflict {
        /// The key whose precondition failed.
        key: String,
        /// Its revision; none: it does not exist.
        found: Option<Revision>,
    },
    /// The store's file is open in another process.
    #[error("the store {path} is in use by another process: stop that one, or name another data folder")]
    Locked {
        /// The file.
        path: String,
    },
    /// The request breaks a bound or is not well-formed.
    #[error("{0}")]
    Invalid(String),
    /// The store does not know what happened after that revision: its history begins later, or it is another history.
    #[error("the store does not know what happened after revision {}: list again", .after.0)]
    Compacted {
        /// After which something was asked for.
        after: Revision,
    },
    /// The lease has ended, and what was bound to it is gone.
    #[error("the lease has ended")]
    LeaseEnded,
    /// The store takes no writes because its space is used up; nothing was changed.
    #[error("the store is full: {0}")]
    Full(String),
    /// Too much is asked of the store at once; nothing was changed.
    #[error("the store is asked too much at once")]
    Busy,
    /// What answers is not a store that this version can use, or not the one that it was before.
    #[error("{0}")]
    Foreign(String),
    /// The store does not answer, or its disk failed. Whether a write happened is unknown.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Whether the same request may succeed later without anybody changing something.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy | Self::Full(_))
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
