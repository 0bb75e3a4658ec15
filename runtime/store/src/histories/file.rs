use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Seen;
use crate::{
    Observation, Recorder, StoreError, Update,
    remote::wire::{WireSnapshot, WireUpdate},
};

/// Bytes that are read at once in search of the last whole line.
const BLOCK_BYTES: u64 = 64 << 10;

/// A line of a file of observations.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Listed(WireSnapshot),
    Updated(WireUpdate),
    Failed(String),
}

/// Keeps what a watch sees in a file, a JSON line each. Every line is handed to the system at once: it outlives a process
/// that is killed, though not a machine that is.
#[derive(Debug)]
pub struct FileRecorder(Mutex<Option<File>>);

impl FileRecorder {
    /// Goes on in a file that is there: a process that was killed adds to the history that it left, without the line that
    /// it may have left half.
    pub fn create(path: &Path) -> io::Result<Arc<Self>> {
        let mut file = File::options().create(true).read(true).write(true).truncate(false).open(path)?;
        let whole = whole_lines(&mut file)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Arc::new(Self(Mutex::new(Some(file)))))
    }
}

impl Recorder for FileRecorder {
    /// A history with a hole would accuse the watch of it, so the first line that cannot be written is the last.
    fn record(&self, observation: Observation<'_>) {
        let mut file = self.0.lock();
        let Some(open) = file.as_mut() else { return };
        if let Err(error) = line(observation).and_then(|line| open.write_all(&line)) {
            tracing::error!(%error, "the history is not kept any more");
            *file = None;
        }
    }
}

fn line(observation: Observation<'_>) -> io::Result<Vec<u8>> {
    let line = match observation {
        Observation::Listed(snapshot) => Line::Listed(snapshot.clone().into()),
        Observation::Updated(update) => Line::Updated(Ok(update.clone()).into()),
        Observation::Failed(reason) => Line::Failed(reason.to_owned()),
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    Ok(line)
}

/// Where the last line ends that has an end.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Why a file of observations cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("the history cannot be read")]
    Io(#[from] io::Error),
    /// Something else than [`FileRecorder`] has written it.
    #[error("line {number} of the history is none")]
    Malformed {
        /// The first is 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An error of the store stands where an update should.
    #[error("line {number} of the history is no observation")]
    NoObservation {
        /// The first is 1.
        number: usize,
        /// What it is.
        #[source]
        source: StoreError,
    },
}

/// What a [`FileRecorder`] has kept, also while it still does: half a line at the end is left out.
pub fn read(path: &Path) -> Result<Vec<Seen>, ReadError> {
    let mut bytes = std::fs::read(path)?;
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.enumerate().map(|(at, line)| parse(line, at + 1)).collect()
}

fn parse(line: &[u8], number: usize) -> Result<Seen, ReadError> {
    let line = serde_json::from_slice(line).map_err(|source| ReadError::Malformed { number, source })?;
    Ok(match line {
        Line::Listed(snapshot) => Seen::Listed(snapshot.into()),
        Line::Updated(update) => {
            let update: Result<Update, StoreError> = update.into();
            Seen::Updated(update.map_err(|source| ReadError::NoObservation { number, source })?)
        }
        Line::Failed(reason) => Seen::Failed(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Revision, Snapshot, Versioned};

    fn some() -> Vec<Seen> {
        let entry = Versioned { value: vec![0, 255, b'\n'].into(), revision: Revision(7) };
        let entries = [("/a".to_owned(), entry.clone())].into();
        let put = Change { key: "/a".to_owned(), entry: Some(entry) };
        let gone = Change { key: "/b".to_owned(), entry: None };
        vec![
            Seen::Listed(Snapshot { revision: Revision(7), entries }),
            Seen::Updated(Update::Changed { revision: Revision(8), changes: vec![put, gone] }),
            Seen::Updated(Update::Progress(Revision(9))),
            Seen::Updated(Update::Alive),
            Seen::Failed("two\nlines".to_owned()),
        ]
    }

    fn record(recorder: &FileRecorder, all: &[Seen]) {
        for seen in all {
            recorder.record(match seen {
                Seen::Listed(snapshot) => Observation::Listed(snapshot),
                Seen::Updated(update) => Observation::Updated(update),
                Seen::Failed(reason) => Observation::Failed(reason),
            });
        }
    }

    #[test]
    fn what_is_recorded_is_read_and_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        record(&FileRecorder::create(&path).unwrap(), &some());
        assert_eq!(read(&path).unwrap(), some());
        record(&FileRecorder::create(&path).unwrap(), &some());
        assert_eq!(read(&path).unwrap(), [some(), some()].concat());
    }

    #[test]
    fn half_a_line_is_none_and_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        // Longer than what is read at once, without an end in it.
        let half = format!("{{\"failed\":\"{}", "x".repeat(100_000));
        for whole in [vec![], some()] {
            std::fs::remove_file(&path).ok();
            record(&FileRecorder::create(&path).unwrap(), &whole);
            File::options().append(true).open(&path).unwrap().write_all(half.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap(), whole);
            record(&FileRecorder::create(&path).unwrap(), &some());
            assert_eq!(read(&path).unwrap(), [whole, some()].concat());
        }
    }

    #[test]
    fn what_is_no_history_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        std::fs::write(&path, "{\"failed\":\"a\"}\n{\"other\":1}\n").unwrap();
        assert!(matches!(read(&path), Err(ReadError::Malformed { number: 2, .. })));
        std::fs::write(&path, "{\"updated\":{\"error\":\"busy\"}}\n").unwrap();
        assert!(matches!(read(&path), Err(ReadError::NoObservation { number: 1, source: StoreError::Busy })));
        assert!(matches!(read(&folder.path().join("none")), Err(ReadError::Io(_))));
    }
}
