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
    /// This implementation does not have the operation.
    #[error("this store has no {0}")]
    Unsupported(&'static str),
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
        matches!(self, Self::Unavailable(_))
    }
}
