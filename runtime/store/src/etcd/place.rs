use crate::{Change, Revision, Update};

/// One answer of a watch, in our own types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    /// Which watch it is about; etcd answers a request for progress with one that does not exist.
    pub(super) watch: i64,
    /// Of the store, when the answer was made.
    pub(super) revision: Revision,
    /// The watch begins.
    pub(super) created: bool,
    /// The watch ends; it may never have begun.
    pub(super) canceled: bool,
    /// It ends because everything before some revision was forgotten.
    pub(super) compacted: bool,
    /// In words.
    pub(super) reason: String,
    /// In the order of their revisions.
    pub(super) events: Vec<Event>,
}

/// One key that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) revision: Revision,
    /// None: the key is not text, and nobody here can have asked for it.
    pub(super) change: Option<Change>,
}

/// Why a watch does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// What comes after this is not known here.
    Compacted(Revision),
    /// etcd does not let us watch.
    Refused(String),
    /// Another member may do it.
    Canceled(String),
}

/// How far a follower is, and what an answer means to it. Pure: where answers come from is the caller's matter.
///
/// Two things of etcd's watches are relied on. All events of a revision are in one answer: what etcd sends to one that is
/// behind ends between revisions (`mvcc/watcher_group.go`, `eventBatch.add`), what it sends as it happens is one
/// transaction, and it cuts answers into fragments for those only who ask for them. So nothing is held back here. And an
/// answer to our own request for progress proves nothing: before 3.4.25 and 3.5.8 it may overtake events (etcd#15220). What
/// the server says by itself goes through the same queue as the events.
#[derive(Debug)]
pub(super) struct Place {
    watch: Option<i64>,
    after: Revision,
}

impl Place {
    pub(super) fn new(after: Revision) -> Self {
        Self { watch: None, after }
    }

    /// Up to where everything was told.
    pub(super) fn after(&self) -> Revision {
        self.after
    }

    /// Takes an answer: what it tells, in order and never nothing.
    pub(super) fn take(&mut self, answer: Answer) -> Result<Vec<Update>, Ended> {
        if answer.compacted {
            return Err(Ended::Compacted(self.after));
        }
        if answer.canceled {
            return Err(if answer.created { Ended::Refused(answer.reason) } else { Ended::Canceled(answer.reason) });
        }
        // A store that was set back: what it says is another history.
        if answer.revision < self.after {
            return Err(Ended::Compacted(self.after));
        }
        if answer.created {
            self.watch = Some(answer.watch);
            return Ok(vec![Update::Alive]);
        }
        if answer.events.is_empty() {
            return Ok(vec![self.progress(&answer)]);
        }
        let mut updates = self.changes(answer.events);
        if updates.is_empty() {
            updates.push(Update::Alive);
        }
        Ok(updates)
    }

    fn progress(&mut self, answer: &Answer) -> Update {
        if self.watch != Some(answer.watch) {
            return Update::Alive;
        }
        self.after = answer.revision;
        Update::Progress(answer.revision)
    }

    /// One update for each revision. What is known already is left out: a watch begins one revision early, and a member
    /// that was itself behind may tell things again.
    fn changes(&mut self, events: Vec<Event>) -> Vec<Update> {
        let mut updates: Vec<Update> = Vec::new();
        let mut events = events.into_iter().filter(|event| event.revision > self.after).peekable();
        let mut last = self.after;
        while let Some(first) = events.next() {
            let revision = first.revision;
            let mut changes: Vec<Change> = first.change.into_iter().collect();
            while let Some(next) = events.next_if(|next| next.revision == revision) {
                changes.extend(next.change);
            }
            last = last.max(revision);
            updates.push(if changes.is_empty() {
                Update::Progress(revision)
            } else {
                Update::Changed { revision, changes }
            });
        }
        self.after = last;
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Versioned;

    /// The number that etcd gave the watch in these tests.
    const WATCH: i64 = 3;
    /// What etcd names in its answer to a request for progress.
    const NO_WATCH: i64 = -1;

    fn place(after: u64) -> Place {
        let mut place = Place::new(Revision(after));
        let created = Answer { watch: WATCH, revision: Revision(after), created: true, ..Answer::default() };
        assert_eq!(place.take(created).unwrap(), [Update::Alive]);
        place
    }

    fn event(key: &str, revision: u64) -> Event {
        Event { revision: Revision(revision), change: Some(change(key, revision)) }
    }

    fn change(key: &str, revision: u64) -> Change {
        Change { key: key.to_owned(), entry: Some(Versioned { value: "x".into(), revision: Revision(revision) }) }
    }

    fn changed(revision: u64, keys: &[&str]) -> Update {
        let changes = keys.iter().map(|key| change(key, revision)).collect();
        Update::Changed { revision: Revision(revision), changes }
    }

    fn events(revision: u64, events: Vec<Event>) -> Answer {
        Answer { watch: WATCH, revision: Revision(revision), events, ..Answer::default() }
    }

    fn nothing(watch: i64, revision: u64) -> Answer {
        Answer { watch, revision: Revision(revision), ..Answer::default() }
    }

    #[test]
    fn each_revision_is_one_update() {
        let mut place = place(4);
        let answer = events(9, vec![event("/a", 5), event("/b", 5), event("/a", 6), event("/c", 9)]);
        let expected = [changed(5, &["/a", "/b"]), changed(6, &["/a"]), changed(9, &["/c"])];
        assert_eq!(place.take(answer).unwrap(), expected);
        assert_eq!(place.after(), Revision(9));
    }

    #[test]
    fn what_is_known_already_is_left_out() {
        let mut place = place(4);
        assert_eq!(place.take(events(6, vec![event("/a", 4), event("/b", 5)])).unwrap(), [changed(5, &["/b"])]);
        assert_eq!(place.take(events(6, vec![event("/b", 5)])).unwrap(), [Update::Alive], "told again");
        assert_eq!(place.take(events(6, vec![event("/b", 5), event("/b", 6)])).unwrap(), [changed(6, &["/b"])]);
    }

    #[test]
    fn only_what_the_server_says_by_itself_is_a_bookmark() {
        let mut place = place(4);
        assert_eq!(place.take(nothing(NO_WATCH, 9)).unwrap(), [Update::Alive]);
        assert_eq!(place.after(), Revision(4), "events up to 9 may still come");
        assert_eq!(place.take(events(9, vec![event("/a", 8)])).unwrap(), [changed(8, &["/a"])]);
        assert_eq!(place.take(nothing(WATCH, 9)).unwrap(), [Update::Progress(Revision(9))]);
        assert_eq!(place.after(), Revision(9));
    }

    #[test]
    fn the_revision_of_an_answer_with_events_is_no_bookmark() {
        let mut place = place(4);
        // A follower that is far behind gets a thousand revisions at a time, under the newest one.
        assert_eq!(place.take(events(2_000, vec![event("/a", 5)])).unwrap(), [changed(5, &["/a"])]);
        assert_eq!(place.take(events(2_000, vec![event("/a", 6)])).unwrap(), [changed(6, &["/a"])]);
    }

    #[test]
    fn a_key_that_is_not_text_is_nobodys() {
        let mut place = place(4);
        let odd = |revision| Event { revision: Revision(revision), change: None };
        let answer = events(6, vec![odd(5), event("/a", 5), odd(6)]);
        assert_eq!(place.take(answer).unwrap(), [changed(5, &["/a"]), Update::Progress(Revision(6))]);
    }

    #[test]
    fn a_watch_ends_for_a_reason() {
        let check = |answer: Answer, expected: Ended| assert_eq!(place(4).take(answer).unwrap_err(), expected);
        let ended = Answer { canceled: true, reason: "why".to_owned(), ..nothing(WATCH, 9) };
        check(Answer { compacted: true, ..ended.clone() }, Ended::Compacted(Revision(4)));
        check(Answer { created: true, ..ended.clone() }, Ended::Refused("why".to_owned()));
        check(ended, Ended::Canceled("why".to_owned()));
        check(nothing(NO_WATCH, 3), Ended::Compacted(Revision(4)));
        check(events(3, vec![event("/a", 3)]), Ended::Compacted(Revision(4)));

        let created = Answer { watch: WATCH, revision: Revision(3), created: true, ..Answer::default() };
        assert_eq!(Place::new(Revision(4)).take(created).unwrap_err(), Ended::Compacted(Revision(4)), "set back");
    }
}
