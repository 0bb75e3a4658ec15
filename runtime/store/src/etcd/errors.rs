use std::error::Error as _;

use etcd_client::Error;
use tonic::Code;

use crate::StoreError;

/// Why etcd did not do what it was asked. gRPC's codes are few, and what some of them mean depends on the question: those
/// stay apart until whoever asked says what it was.
#[derive(Debug)]
pub(super) enum Failure {
    /// A revision that is compacted or still to come, or an answer larger than what is taken.
    OutOfRange(Error),
    /// No space is left, or no room for one more request: nothing was changed.
    Exhausted,
    /// There is no such lease.
    NoLease,
    /// Means the same whatever was asked.
    Other(StoreError),
}

impl Failure {
    /// Whether another member may do better.
    pub(super) fn is_the_members(&self) -> bool {
        matches!(self, Self::Other(StoreError::Unavailable(_)))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::OutOfRange(error) => Self::unavailable(error),
            Failure::Exhausted => Self::Busy,
            Failure::NoLease => Self::LeaseEnded,
            Failure::Other(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::GRpcStatus(status) => status.code(),
            // The library says so where etcd's answer is a life of nothing, and else only where it cannot send into a
            // channel that it has just made.
            Error::LeaseKeepAliveError(_) => return Self::NoLease,
            _ => return Self::Other(unavailable(&error)),
        };
        match code {
            Code::OutOfRange => Self::OutOfRange(error),
            Code::ResourceExhausted => Self::Exhausted,
            Code::NotFound => Self::NoLease,
            Code::PermissionDenied | Code::Unauthenticated => foreign("etcd does not let this user do that", &error),
            Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => foreign("etcd refuses", &error),
            Code::Unimplemented => foreign("what answers does not know a call that every etcd has", &error),
            // A time-out, a lost leader, a broken connection: whether it has happened is not known. Codes that etcd does
            // not use count as such too, because nothing less is safe.
            _ => Self::Other(unavailable(&error)),
        }
    }
}

/// Whether somebody answered who does not speak etcd's protocol: then no system call has failed, and yet the connection.
pub(super) fn is_not_etcds_protocol(error: &Error) -> bool {
    match error {
        Error::GRpcStatus(status) => {
            let code = status.code();
            code == Code::Unimplemented || (matches!(code, Code::Internal | Code::Unknown) && !is_io(status))
        }
        _ => false,
    }
}

/// What the library says, without the names of its own types.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

fn unavailable(error: &Error) -> StoreError {
    StoreError::unavailable(Said(said(error)))
}

fn foreign(what: &str, error: &Error) -> Failure {
    Failure::Other(StoreError::Foreign(format!("{what}: {}", said(error))))
}

fn said(error: &Error) -> String {
    let Error::GRpcStatus(status) = error else { return inert(&error.to_string()) };
    let cause = causes(status).last().map(ToString::to_string);
    match cause {
        Some(cause) if cause != status.message() => format!("{}: {}", inert(status.message()), inert(&cause)),
        _ => inert(status.message()),
    }
}

fn is_io(status: &tonic::Status) -> bool {
    causes(status).any(|cause| cause.is::<std::io::Error>())
}

fn causes(error: &tonic::Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (**cause).source())
}

/// It may come from elsewhere and is shown to people: of bounded length, and without anything that a terminal obeys.
fn inert(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}
