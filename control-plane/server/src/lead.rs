use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::unix_ms;

/// The server that leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leader {
    /// Its id.
    pub(crate) server: String,
    /// Where other servers reach it.
    pub(crate) url: String,
    /// Of office; greater than that of every leader before.
    pub(crate) term: u64,
}

/// Who does what only a leader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Office {
    /// This server, in this term.
    Here(u64),
    /// Another one.
    There(Leader),
    /// Nobody yet, or nobody any more.
    Nobody,
}

/// Who leads, as one server knows it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    own: String,
    leader: watch::Receiver<Option<Leader>>,
}

impl Lead {
    /// Of the server with this id.
    pub(crate) fn new(own: String, leader: watch::Receiver<Option<Leader>>) -> Self {
        Self { own, leader }
    }

    /// Of a server that has no others beside it. Its term is the time of its start, in milliseconds since 1970: started again, it
    /// has forgotten what it was told before.
    pub(crate) fn alone() -> Self {
        let term = unix_ms();
        let leader = Leader { server: String::new(), url: String::new(), term };
        // A receiver keeps its last value when the sender is gone.
        Self { own: String::new(), leader: watch::channel(Some(leader)).1 }
    }

    /// Who leads now, as far as is known.
    pub(crate) fn office(&self) -> Office {
        match &*self.leader.borrow() {
            None => Office::Nobody,
            Some(leader) if leader.server == self.own => Office::Here(leader.term),
            Some(leader) => Office::There(leader.clone()),
        }
    }

    /// Waits until this server does not lead in this term.
    pub(crate) async fn lost(&self, term: u64) {
        let mut leader = self.leader.clone();
        let ended = |leader: &Option<Leader>| {
            !leader.as_ref().is_some_and(|leader| leader.server == self.own && leader.term == term)
        };
        if leader.wait_for(ended).await.is_err() {
            // Nobody will ever tell of another one.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_office_is_here_or_there_or_nowhere() {
        assert!(matches!(Lead::alone().office(), Office::Here(term) if term > 0));
        let (tell, leader) = watch::channel(None);
        let (one, two) = (Lead::new("one".to_owned(), leader.clone()), Lead::new("two".to_owned(), leader));
        assert_eq!(one.office(), Office::Nobody);
        let first = Leader { server: "one".to_owned(), url: "http://one".to_owned(), term: 7 };
        tell.send_replace(Some(first.clone()));
        assert_eq!((one.office(), two.office()), (Office::Here(7), Office::There(first)));
        tell.send_replace(None);
        one.lost(7).await;
    }
}
