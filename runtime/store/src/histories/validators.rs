use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Seen, Truth};
use crate::{Change, Revision, Snapshot, Update};

/// What a watch promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// See [`ordered`].
    Ordered,
    /// See [`unique`].
    Unique,
    /// See [`atomic`].
    Atomic,
    /// See [`reliable`].
    Reliable,
    /// See [`resumable`].
    Resumable,
    /// See [`bookmarkable`].
    Bookmarkable,
}

/// Where a history breaks a guarantee for the first time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{guarantee:?} is broken by observation {at}: {what}")]
pub struct Broken {
    /// Which.
    pub guarantee: Guarantee,
    /// Of the observation, counted from zero.
    pub at: usize,
    /// How, in words.
    pub what: String,
}

impl Guarantee {
    fn broken(self, at: usize, what: impl fmt::Display) -> Broken {
        Broken { guarantee: self, at, what: what.to_string() }
    }
}

/// Every guarantee that a history breaks; none: it may be so.
pub fn check(history: &[Seen], truth: &Truth) -> Vec<Broken> {
    let alone = [ordered(history), unique(history)];
    let against = [atomic, reliable, resumable, bookmarkable].map(|validator| validator(history, truth));
    alone.into_iter().chain(against).filter_map(Result::err).collect()
}

/// Nothing comes after something later: no update, and no list either, is of a time before the one that was shown last.
pub fn ordered(history: &[Seen]) -> Result<(), Broken> {
    let mut last = Revision::default();
    for (at, seen) in history.iter().enumerate() {
        let Some(revision) = shown(seen) else { continue };
        if revision < last {
            let what = format!("revision {} after revision {}", revision.0, last.0);
            return Err(Guarantee::Ordered.broken(at, what));
        }
        last = revision;
    }
    Ok(())
}

/// Nothing comes twice: no key at the same revision, and no update that a list held already.
pub fn unique(history: &[Seen]) -> Result<(), Broken> {
    let (mut told, mut listed) = (BTreeSet::new(), Revision::default());
    for (at, seen) in history.iter().enumerate() {
        match seen {
            Seen::Listed(snapshot) => listed = snapshot.revision,
            Seen::Updated(Update::Changed { revision, changes }) => {
                for Change { key, .. } in changes {
                    if *revision <= listed || !told.insert((*revision, key)) {
                        let what = format!("{key} of revision {} comes again", revision.0);
                        return Err(Guarantee::Unique.broken(at, what));
                    }
                }
            }
            Seen::Updated(_) | Seen::Failed(_) => {}
        }
    }
    Ok(())
}

/// A transaction comes in one piece: an update names every key that changed at its revision.
pub fn atomic(history: &[Seen], truth: &Truth) -> Result<(), Broken> {
    for (at, revision, changes) in updates(history) {
        let named: BTreeSet<&String> = changes.iter().map(|change| &change.key).collect();
        let all = truth.changes_of(revision).into_iter().flat_map(BTreeMap::keys);
        if let Some(missing) = all.into_iter().find(|key| !named.contains(key)) {
            let what = format!("an update of revision {} comes without {missing}", revision.0);
            return Err(Guarantee::Atomic.broken(at, what));
        }
    }
    Ok(())
}

/// Between the first and the last update of a stream nothing is left out, and each is what happened. What happened while
/// nobody followed is not asked for here, see [`resumable`]; but a list is the state of its revision, whole.
pub fn reliable(history: &[Seen], truth: &Truth) -> Result<(), Broken> {
    let mut stream = Stream::default();
    for (at, seen) in history.iter().enumerate() {
        match seen {
            Seen::Listed(snapshot) => {
                stream.end(truth, at)?;
                check_list(snapshot, truth, at)?;
            }
            Seen::Failed(_) => stream.end(truth, at)?,
            Seen::Updated(Update::Changed { revision, changes }) => {
                check_changes(*revision, changes, truth, at)?;
                stream.told.entry(*revision).or_default().extend(changes.iter().map(|change| &change.key));
            }
            Seen::Updated(_) => {}
        }
    }
    stream.end(truth, history.len())
}

/// A stream that begins again goes on where the one before it was: its first update is the first that happened after
/// everything that was known.
pub fn resumable(history: &[Seen], truth: &Truth) -> Result<(), Broken> {
    let mut known: Option<Revision> = None;
    let mut begins = true;
    for (at, seen) in history.iter().enumerate() {
        match seen {
            Seen::Failed(_) => begins = true,
            Seen::Listed(snapshot) => (known, begins) = (Some(snapshot.revision), true),
            Seen::Updated(Update::Alive) => {}
            Seen::Updated(Update::Progress(revision)) => known = known.max(Some(*revision)),
            Seen::Updated(Update::Changed { revision, .. }) => {
                let after = known.filter(|after| begins && truth.knows(*after) && truth.knows_changes(*revision));
                if let Some(after) = after
                    && truth.first_in(after, truth.until()) != Some(*revision)
                {
                    let what = format!("a stream after revision {} begins with revision {}", after.0, revision.0);
                    return Err(Guarantee::Resumable.broken(at, what));
                }
                (known, begins) = (known.max(Some(*revision)), false);
            }
        }
    }
    Ok(())
}

/// A bookmark is true: when it comes, everything up to its revision has come, and nothing of that comes afterwards.
pub fn bookmarkable(history: &[Seen], truth: &Truth) -> Result<(), Broken> {
    let (mut last, mut bookmark) = (None, Revision::default());
    for (at, seen) in history.iter().enumerate() {
        if let Seen::Updated(Update::Progress(revision)) = seen {
            let missing = last.filter(|last| truth.knows(*last)).and_then(|last| truth.first_in(last, *revision));
            if let Some(missing) = missing {
                let what = format!("revision {} has not come before the bookmark {}", missing.0, revision.0);
                return Err(Guarantee::Bookmarkable.broken(at, what));
            }
            bookmark = bookmark.max(*revision);
        }
        let Some(revision) = shown(seen) else { continue };
        let late = match seen {
            // A list repeats what is known.
            Seen::Listed(_) => revision < bookmark,
            _ => revision <= bookmark,
        };
        if late {
            let what = format!("revision {} after the bookmark {}", revision.0, bookmark.0);
            return Err(Guarantee::Bookmarkable.broken(at, what));
        }
        last = Some(revision);
    }
    Ok(())
}

/// What one stream has told.
#[derive(Default)]
struct Stream<'a> {
    told: BTreeMap<Revision, BTreeSet<&'a String>>,
}

impl Stream<'_> {
    /// Whether anything is left out of it. The next one begins.
    fn end(&mut self, truth: &Truth, at: usize) -> Result<(), Broken> {
        let told = std::mem::take(&mut self.told);
        let (Some((first, _)), Some((last, _))) = (told.first_key_value(), told.last_key_value()) else {
            return Ok(());
        };
        for revision in truth.between(Revision(first.0.saturating_sub(1)), *last) {
            let keys = truth.changes_of(revision).into_iter().flat_map(BTreeMap::keys);
            let is_told = |key: &&String| told.get(&revision).is_some_and(|told| told.contains(*key));
            if let Some(missing) = keys.into_iter().find(|key| !is_told(key)) {
                let what = format!("{missing} of revision {} was left out of the stream before", revision.0);
                return Err(Guarantee::Reliable.broken(at, what));
            }
        }
        Ok(())
    }
}

fn check_list(snapshot: &Snapshot, truth: &Truth, at: usize) -> Result<(), Broken> {
    let Some(expected) = truth.at(snapshot.revision) else { return Ok(()) };
    let keys: BTreeSet<&String> = expected.keys().chain(snapshot.entries.keys()).collect();
    match keys.into_iter().find(|key| expected.get(*key) != snapshot.entries.get(*key)) {
        None => Ok(()),
        Some(key) => {
            let what = format!("the list of revision {} is wrong about {key}", snapshot.revision.0);
            Err(Guarantee::Reliable.broken(at, what))
        }
    }
}

fn check_changes(revision: Revision, changes: &[Change], truth: &Truth, at: usize) -> Result<(), Broken> {
    if !truth.knows_changes(revision) {
        return Ok(());
    }
    let happened = truth.changes_of(revision);
    let is_so = |change: &Change| happened.and_then(|all| all.get(&change.key)) == Some(&change.entry);
    match changes.iter().find(|change| !is_so(change)) {
        None => Ok(()),
        Some(Change { key, .. }) => {
            let what = format!("{key} of revision {} is not what happened", revision.0);
            Err(Guarantee::Reliable.broken(at, what))
        }
    }
}

/// Of which time the state is that this shows.
fn shown(seen: &Seen) -> Option<Revision> {
    match seen {
        Seen::Listed(snapshot) => Some(snapshot.revision),
        Seen::Updated(Update::Changed { revision, .. }) => Some(*revision),
        Seen::Updated(_) | Seen::Failed(_) => None,
    }
}

fn updates(history: &[Seen]) -> impl Iterator<Item = (usize, Revision, &Vec<Change>)> {
    history.iter().enumerate().filter_map(|(at, seen)| match seen {
        Seen::Updated(Update::Changed { revision, changes }) => Some((at, *revision, changes)),
        _ => None,
    })
}
