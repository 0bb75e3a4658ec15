use std::collections::BTreeMap;

use switchyard_types::{Dropped, NodeId, SessionId};

/// Nodes that are remembered.
const NODES_MAX: usize = 20_000;
/// Processes of one node that are: what the last ones have left is told by their successor.
const SESSIONS_MAX: usize = 4;

/// Up to which number each process of each node has told. Its items come in the order of their numbers, so one number says
/// which of them are new.
#[derive(Default)]
pub(super) struct Sessions {
    nodes: BTreeMap<NodeId, Node>,
    /// Grows with every item; tells who was heard of last.
    clock: u64,
}

#[derive(Default)]
struct Node {
    heard: u64,
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Default)]
struct Session {
    heard: u64,
    told: u64,
    dropped: Dropped,
}

impl Sessions {
    /// Whether this item was not told before. From now on it was.
    pub(super) fn is_new(&mut self, node: &NodeId, session: &SessionId, sequence: u64) -> bool {
        let session = self.session(node, session);
        let is_new = sequence > session.told;
        session.told = session.told.max(sequence);
        is_new
    }

    /// Up to which number a process has told; none: nothing.
    pub(super) fn told(&self, node: &NodeId, session: &SessionId) -> Option<u64> {
        self.nodes.get(node)?.sessions.get(session).map(|known| known.told)
    }

    /// What a process has dropped since it last said so; none: nothing more.
    pub(super) fn dropped(&mut self, node: &NodeId, session: &SessionId, dropped: Dropped) -> Option<Dropped> {
        let known = std::mem::replace(&mut self.session(node, session).dropped, dropped);
        let windows = dropped.windows.saturating_sub(known.windows);
        let events = dropped.events.saturating_sub(known.events);
        (windows > 0 || events > 0).then_some(Dropped { windows, events })
    }

    /// The record of a process; where there is no room, of the one that was heard of longest ago.
    fn session(&mut self, node: &NodeId, session: &SessionId) -> &mut Session {
        self.clock += 1;
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(node) {
            let quietest = self.nodes.iter().min_by_key(|(_, node)| node.heard).map(|(id, _)| id.clone());
            quietest.and_then(|quietest| self.nodes.remove(&quietest));
        }
        let node = self.nodes.entry(node.clone()).or_default();
        node.heard = self.clock;
        if node.sessions.len() >= SESSIONS_MAX && !node.sessions.contains_key(session) {
            let quietest = node.sessions.iter().min_by_key(|(_, known)| known.heard).map(|(id, _)| id.clone());
            quietest.and_then(|quietest| node.sessions.remove(&quietest));
        }
        let known = node.sessions.entry(session.clone()).or_default();
        known.heard = self.clock;
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_of_a_node_have_a_bound_and_the_quietest_goes() {
        let mut sessions = Sessions::default();
        let node = "node-1".parse().unwrap();
        let id = SessionId::from_random;
        for n in 0..SESSIONS_MAX as u64 {
            assert!(sessions.is_new(&node, &id(n), 5));
        }
        assert!(!sessions.is_new(&node, &id(0), 5));
        assert!(sessions.is_new(&node, &id(99), 1));
        assert_eq!((sessions.told(&node, &id(0)), sessions.told(&node, &id(1))), (Some(5), None));
    }

    #[test]
    fn what_was_dropped_is_told_once() {
        let mut sessions = Sessions::default();
        let (node, id) = ("node-1".parse().unwrap(), SessionId::from_random(1));
        let mut dropped = |windows, events| sessions.dropped(&node, &id, Dropped { windows, events });
        assert_eq!(dropped(0, 0), None);
        assert_eq!(dropped(3, 0), Some(Dropped { windows: 3, events: 0 }));
        assert_eq!(dropped(3, 0), None);
        assert_eq!(dropped(3, 1), Some(Dropped { windows: 0, events: 1 }));
    }
}
