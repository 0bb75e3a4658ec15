use std::{collections::BTreeMap, time::Duration};

use switchyard_types::{NodeId, NodeRecord};
use tokio::time::Instant;

/// How long a node may be without a status before it counts as lost: a node that restarts is back by then.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What is to be noted of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nobody has heard of it since.
    Lost,
    /// It is there again.
    Back,
}

/// Since when the leader sees nodes without a status.
#[derive(Debug, Default)]
pub(super) struct Absences(BTreeMap<NodeId, Instant>);

impl Absences {
    /// What is to be noted now, given every node's record and whether it has a status; and when to look again, if somebody
    /// is absent and not yet lost.
    pub(super) fn marks<'a>(
        &mut self,
        nodes: impl Iterator<Item = (&'a NodeRecord, bool)>,
        now: Instant,
    ) -> (Vec<(NodeId, Mark)>, Option<Instant>) {
        let (mut marks, mut absent) = (Vec::new(), BTreeMap::new());
        for (record, present) in nodes {
            let is_marked = record.lost_at_unix_ms.is_some();
            match (present, is_marked) {
                (true, true) => marks.push((record.node.clone(), Mark::Back)),
                (true, false) | (false, true) => {}
                (false, false) => {
                    let since = *self.0.get(&record.node).unwrap_or(&now);
                    absent.insert(record.node.clone(), since);
                    if now.duration_since(since) >= GRACE {
                        marks.push((record.node.clone(), Mark::Lost));
                    }
                }
            }
        }
        self.0 = absent;
        let next = self.0.values().map(|since| *since + GRACE).filter(|at| *at > now).min();
        (marks, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_lost_after_a_while_once_and_back_at_once() {
        let node = |lost: bool| NodeRecord {
            lost_at_unix_ms: lost.then_some(7),
            ..NodeRecord::new("node-1".parse().unwrap(), BTreeMap::new())
        };
        let start = Instant::now();
        let mut absences = Absences::default();
        let mut look = |lost: bool, present: bool, after_s: u64| {
            let now = start + Duration::from_secs(after_s);
            let (marks, next) = absences.marks([(&node(lost), present)].into_iter(), now);
            (marks.into_iter().map(|(_, mark)| mark).collect::<Vec<_>>(), next.map(|at| (at - start).as_secs()))
        };
        assert_eq!(look(false, true, 0), (vec![], None));
        assert_eq!(look(false, false, 1), (vec![], Some(11)));
        assert_eq!(look(false, true, 10), (vec![], None), "it restarted");
        assert_eq!(look(false, false, 11), (vec![], Some(21)));
        assert_eq!(look(false, false, 21), (vec![Mark::Lost], None));
        assert_eq!(look(false, false, 22), (vec![Mark::Lost], None), "the write failed, and is tried again");
        assert_eq!(look(true, false, 23), (vec![], None));
        assert_eq!(look(true, true, 24), (vec![Mark::Back], None));
        assert_eq!(look(false, true, 25), (vec![], None));
    }
}
