use switchyard_types::route::RetryOn;

use crate::proxy::BodyFailure;

/// Why a try has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: nothing was sent.
    Connect,
    /// No connection, and it is this machine that has no room for another: nothing was sent, and nobody else is to blame.
    Exhausted,
    /// The backend has as many requests as it may: nothing was sent.
    Full,
    /// A connection broke before anything of the request was written.
    Unsent,
    /// The connection broke before an answer.
    Lost,
    /// What came is no HTTP.
    Malformed,
    /// No answer in time.
    Timeout,
    /// The client's own fault.
    Client(BodyFailure),
}

impl Failure {
    /// Whether the backend can not have seen the request.
    pub(crate) fn nothing_sent(self) -> bool {
        matches!(self, Self::Connect | Self::Exhausted | Self::Full | Self::Unsent)
    }

    /// What a route calls it where it says what is tried again.
    pub(crate) fn reason(self) -> Option<RetryOn> {
        match self {
            Self::Connect | Self::Exhausted | Self::Full => Some(RetryOn::ConnectError),
            Self::Unsent | Self::Lost => Some(RetryOn::ConnectionLost),
            Self::Timeout => Some(RetryOn::Timeout),
            Self::Malformed | Self::Client(_) => None,
        }
    }
}
