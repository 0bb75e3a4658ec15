use std::{fmt, sync::Arc};

/// Who holds a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A worker that gave a name: every connection of that name is this worker.
    Worker(Arc<str>),
    /// A client that gave none, by the number of its connection. It is no name, so nobody can call itself so; and what it holds
    /// ends with it. 0: a connection of an earlier start.
    Connection(u64),
}

impl Owner {
    /// The name that it gave.
    pub(crate) fn wid(&self) -> Option<&str> {
        match self {
            Self::Worker(wid) => Some(wid),
            Self::Connection(_) => None,
        }
    }
}

impl From<&str> for Owner {
    fn from(wid: &str) -> Self {
        Self::Worker(Arc::from(wid))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(wid) => f.write_str(wid),
            Self::Connection(number) => write!(f, "connection {number}"),
        }
    }
}
