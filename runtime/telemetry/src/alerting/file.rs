use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{
    Alert,
    queue::Notification,
    saved::{Saved, SavedAlert, SavedNotification},
};
use crate::clock::unix_ms;

/// Bytes of the file that are read: what book and queue can hold is smaller.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Active alerts on disk, and what the webhook has not been told, so that a restart neither forgets nor repeats them. Ages instead of times, and the wall clock at
/// saving: a monotonic clock begins anew with the process.
#[derive(Debug, Clone)]
pub(crate) struct AlertsFile {
    path: PathBuf,
}

/// What was saved, on this life's clock.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(super) alerts: Vec<Alert>,
    /// What the webhook has not been told.
    pub(super) untold: Vec<Notification>,
}

impl AlertsFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What was saved, aged by the time since. A file that cannot be read is put aside and told of: alerts are found again
    /// by the next evaluation, and a node must start.
    pub(crate) fn load(&self, now_ms: u64) -> Restored {
        match read(&self.path) {
            Ok(saved) => {
                // A wall clock that went back makes nothing younger.
                let since_ms = unix_ms().saturating_sub(saved.saved_at_unix_ms);
                Restored {
                    alerts: saved.alerts.into_iter().map(|alert| alert.aged(now_ms, since_ms)).collect(),
                    untold: saved.untold.into_iter().map(|untold| untold.aged(now_ms, since_ms)).collect(),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Restored::default(),
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "the saved alerts cannot be read and are put aside");
                let aside = self.path.with_extension("unreadable");
                if let Err(error) = fs::rename(&self.path, aside) {
                    tracing::error!(%error, "and cannot even be put aside");
                }
                Restored::default()
            }
        }
    }

    /// Replaces the file: whoever reads it finds the old alerts or the new ones, and a power cut loses neither.
    pub(super) fn save(&self, now_ms: u64, alerts: &[Alert], untold: &[Notification]) -> io::Result<()> {
        let active = alerts.iter().filter(|alert| alert.is_active());
        let alerts = active.map(|alert| SavedAlert::of(alert, now_ms)).collect();
        let untold = untold.iter().map(|untold| SavedNotification::of(untold, now_ms)).collect();
        let text = serde_json::to_vec(&Saved { saved_at_unix_ms: unix_ms(), alerts, untold })?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<Saved> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Series,
        alerting::{AlertBook, Change, ChangeKind, Evaluation, Notice, Phase, Severity, Verdict},
    };

    fn book() -> AlertBook {
        let mut book = AlertBook::new(0);
        let series = Series::new("m", vec![("a".into(), "1".into())]);
        let verdict = Verdict {
            rule: "r".to_owned(),
            series: 1,
            severity: Severity::Critical,
            holds: false,
            value: 0.9,
            for_ms: 0,
            reason: "high".to_owned(),
            evidence: "bound 0.8".to_owned(),
        };
        let verdicts = [(series.clone(), verdict)];
        let (series, touched_ms) = (&[series], &[1_000_000]);
        book.evaluate(1_000_000, Evaluation::Answered { series, touched_ms, verdicts: &verdicts });
        book
    }

    #[test]
    fn a_firing_alert_is_older_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = AlertsFile::new(folder.path().join("alerts.json"));
        assert!(file.load(0).alerts.is_empty());
        let alerts: Vec<_> = book().alerts().cloned().collect();
        file.save(1_005_000, &alerts, &[]).unwrap();
        let back = file.load(9_000_000).alerts;
        assert_eq!(back.len(), 1);
        assert_eq!(
            (back[0].state, &back[0].series, back[0].severity),
            (Phase::Firing, &alerts[0].series, Severity::Critical)
        );
        assert_eq!((back[0].value, &*back[0].evidence), (0.9, "bound 0.8"));
        assert!(back[0].active_since_ms <= 9_000_000 - 5_000);
    }

    #[test]
    fn what_was_not_told_is_told_in_the_same_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = AlertsFile::new(folder.path().join("alerts.json"));
        let alert = book().alerts().next().unwrap().clone();
        let told = |kind, title: &str, ends_unix_ms| {
            let notice = Notice { title: title.to_owned(), ..Notice::own(Change { kind, alert: alert.clone() }) };
            Notification { notice, starts_unix_ms: 7, ends_unix_ms }
        };
        let untold = [told(ChangeKind::Fired, "it burns", None), told(ChangeKind::Resolved, "it is out", Some(9))];
        file.save(1_005_000, &[], &untold).unwrap();
        let back = file.load(9_000_000).untold;
        let words: Vec<_> = back.iter().map(|told| (told.notice.change.kind, &*told.notice.title)).collect();
        assert_eq!(words, [(ChangeKind::Fired, "it burns"), (ChangeKind::Resolved, "it is out")]);
        assert_eq!((back[1].starts_unix_ms, back[1].ends_unix_ms), (7, Some(9)));
        assert_eq!((&back[0].notice.text, back[0].notice.change.alert.value), (&untold[0].notice.text, 0.9));
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        fs::write(&path, "{\"savedAt").unwrap();
        assert!(AlertsFile::new(path.clone()).load(0).alerts.is_empty());
        assert!(!path.exists() && folder.path().join("alerts.unreadable").exists());
    }
}
