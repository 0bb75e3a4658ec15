use std::fmt;

use switchyard_host::HostError;
use switchyard_store::{BlobError, StoreError};
use switchyard_sync::WriteError;
use switchyard_types::{ApiError, ErrorCode, Stage, StageFailure};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Findings that one answer carries.
pub(crate) const DETAILS_MAX: usize = 32;

/// Why a request was not done: what the caller reads, and what only the log gets.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) public: ApiError,
    pub(crate) cause: Option<Cause>,
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        Self { public: ApiError { code, message: message.to_string(), stage: None, details: Vec::new() }, cause: None }
    }

    pub(crate) fn invalid(message: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub(crate) fn conflict(message: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    pub(crate) fn refused(stage: Stage, reason: impl fmt::Display) -> Self {
        let failure = StageFailure::new(stage, reason);
        let mut problem = Self::new(ErrorCode::Refused, &failure.reason);
        problem.public.stage = Some(failure.stage);
        problem
    }

    /// Our fault: the caller learns that it happened, the log why.
    pub(crate) fn internal(cause: impl Into<Cause>) -> Self {
        let message = "the server failed at this request; its log has the cause";
        Self { cause: Some(cause.into()), ..Self::new(ErrorCode::Internal, message) }
    }

    pub(crate) fn with_details(mut self, details: Vec<String>) -> Self {
        self.public.details = details;
        self.public.details.truncate(DETAILS_MAX);
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::conflict("it has changed since it was read: read it again and repeat"),
            // The keys, values and leases are ours: a caller cannot make them wrong.
            StoreError::Invalid(_)
            | StoreError::Locked { .. }
            | StoreError::Compacted { .. }
            | StoreError::LeaseEnded => Self::internal(error),
            StoreError::Full(_) => {
                let message = "the store is full and takes no writes: nothing was changed; its operator must make room \
                               (docs/operating.md, \"A full store\"), and it goes on by itself then";
                Self { cause: Some(error.into()), ..Self::new(ErrorCode::StoreFull, message) }
            }
            StoreError::Busy => {
                Self::new(ErrorCode::Busy, "the store is asked too much at once; try again in a moment")
            }
            StoreError::Foreign(_) => {
                let message = format!("the store cannot be used: {error}");
                Self::new(ErrorCode::Unavailable, message)
            }
            StoreError::Unavailable(_) => {
                let message = "the store does not answer; whether a change was made is unknown: read it back";
                Self { cause: Some(error.into()), ..Self::new(ErrorCode::Unavailable, message) }
            }
        }
    }
}

impl From<WriteError<Self>> for Problem {
    fn from(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(problem) => problem,
            WriteError::Store(error) => error.into(),
            WriteError::TooLarge(_) => Self::new(ErrorCode::StoreFull, &error),
            WriteError::Contended => Self::conflict(format_args!("{error}: try again")),
            WriteError::Seal(_) => Self::new(ErrorCode::Untrusted, &error),
            WriteError::Key(_) => Self::internal(error),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NotFound(digest) => Self::not_found(format_args!("there is no blob {digest}")),
            BlobError::TooLarge { .. } => Self::new(ErrorCode::TooLarge, error),
            BlobError::Corrupt(_) => Self::internal(error),
            BlobError::Unavailable(_) => {
                let message = "the folder of blobs does not answer; try again";
                Self { cause: Some(error.into()), ..Self::new(ErrorCode::Unavailable, message) }
            }
        }
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        // Neither is the plugin's fault, and both pass.
        if error.is_starved() || matches!(error, HostError::Exhausted { .. }) {
            let message = "the server has no room to try the plugin; try again in a moment";
            return Self { cause: Some(error.into()), ..Self::new(ErrorCode::Unavailable, message) };
        }
        match error {
            HostError::Machine(_) => Self::internal(error),
            other => Self::refused(other.stage(), other),
        }
    }
}
