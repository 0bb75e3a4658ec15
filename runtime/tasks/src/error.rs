use std::sync::Arc;

use crate::TaskId;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum TasksError {
    /// The job is not one; the sentence says what is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The job is larger than a job may be.
    #[error("the job has more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// There is no room for another task or queue.
    #[error("{0}")]
    Full(&'static str),
    /// The strategy of the tasks does not take it; the sentence is the strategy's.
    #[error("{0}")]
    Refused(String),
    /// There is no such task.
    #[error("there is no task {0}")]
    NotFound(TaskId),
    /// A worker holds the task.
    #[error("a worker holds task {0}: wait until it is done, or until its lease ends")]
    Leased(TaskId),
    /// A task that could run already cannot be sent back.
    #[error("task {0} waits for a worker already")]
    Waiting(TaskId),
    /// Nobody holds this task under this name any more.
    #[error("Job not found {0}")]
    NotHeld(String),
    /// Another process has the file.
    #[error("{path} is in use by another process: stop that one")]
    Locked {
        /// The file.
        path: String,
    },
    /// The file is not ours to read.
    #[error("{0}")]
    Format(String),
    /// The file could not be read or written.
    #[error("the file of the tasks failed")]
    Disk(#[source] Cause),
    /// The files cannot be written or opened. Nothing is taken or given until they can again, which is tried all the time.
    #[error("the files of the tasks have failed and are tried again: {reason}")]
    Failed {
        /// What failed last.
        reason: Arc<str>,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The listener failed for good.
    #[error("the listener for workers failed")]
    Listen(#[source] std::io::Error),
}

impl TasksError {
    pub(crate) fn disk(error: impl Into<Cause>) -> Self {
        Self::Disk(error.into())
    }
}
