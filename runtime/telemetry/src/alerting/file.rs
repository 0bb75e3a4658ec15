use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Alert, Phase, Severity};
use crate::{Series, clock::unix_ms};

/// Bytes of the file that are read: what the book can hold is smaller.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Active alerts on disk, so that a restart neither forgets nor repeats them. Ages instead of times, and the wall clock at
/// saving: a monotonic clock begins anew with the process.
#[derive(Debug, Clone)]
pub(crate) struct AlertsFile {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    saved_at_unix_ms: u64,
    alerts: Vec<SavedAlert>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedAlert {
    rule: String,
    series: Series,
    state: Phase,
    severity: Severity,
    value: f64,
    reason: String,
    evidence: String,
    active_for_ms: u64,
    state_for_ms: u64,
}

impl AlertsFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What was saved, aged by the time since. A file that cannot be read is put aside and told of: alerts are found again
    /// by the next evaluation, and a node must start.
    pub(crate) fn load(&self, now_ms: u64) -> Vec<Alert> {
        match read(&self.path) {
            Ok(saved) => {
                // A wall clock that went back makes nothing younger.
                let since_ms = unix_ms().saturating_sub(saved.saved_at_unix_ms);
                saved.alerts.into_iter().map(|alert| alert.aged(now_ms, since_ms)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "the saved alerts cannot be read and are put aside");
                let aside = self.path.with_extension("unreadable");
                if let Err(error) = fs::rename(&self.path, aside) {
                    tracing::error!(%error, "and cannot even be put aside");
                }
                Vec::new()
            }
        }
    }

    /// Replaces the file: whoever reads it finds the old alerts or the new ones, and a power cut loses neither.
    pub(crate) fn save(&self, now_ms: u64, alerts: &[Alert]) -> io::Result<()> {
        let active = alerts.iter().filter(|alert| alert.is_active());
        let alerts = active.map(|alert| SavedAlert::of(alert, now_ms)).collect();
        let text = serde_json::to_vec(&Saved { saved_at_unix_ms: unix_ms(), alerts })?;
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

impl SavedAlert {
    fn of(alert: &Alert, now_ms: u64) -> Self {
        Self {
            rule: alert.rule.clone(),
            series: alert.series.clone(),
            state: alert.state,
            severity: alert.severity,
            value: alert.value,
            reason: alert.reason.clone(),
            evidence: alert.evidence.clone(),
            active_for_ms: now_ms.saturating_sub(alert.active_since_ms),
            state_for_ms: now_ms.saturating_sub(alert.state_since_ms),
        }
    }

    fn aged(self, now_ms: u64, since_ms: u64) -> Alert {
        let before = |age_ms: u64| now_ms.saturating_sub(age_ms.saturating_add(since_ms));
        Alert {
            rule: self.rule,
            series: self.series,
            state: self.state,
            severity: self.severity,
            value: self.value,
            reason: self.reason,
            evidence: self.evidence,
            active_since_ms: before(self.active_for_ms),
            state_since_ms: before(self.state_for_ms),
            // Its series may take a while to come back.
            judged_ms: now_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::{AlertBook, Evaluation, Verdict};

    fn book() -> AlertBook {
        let mut book = AlertBook::new(0);
        let series = Series::new("m", vec![("a".into(), "1".into())]);
        let verdict = Verdict {
            rule: "r".to_owned(),
            series: 1,
            severity: Severity::Critical,
            value: 0.9,
            for_ms: 0,
            reason: "high".to_owned(),
            evidence: "bound 0.8".to_owned(),
        };
        let verdicts = [(series.clone(), verdict)];
        book.evaluate(1_000_000, Evaluation::Answered { series: &[series], verdicts: &verdicts });
        book
    }

    #[test]
    fn a_firing_alert_is_older_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = AlertsFile::new(folder.path().join("alerts.json"));
        assert!(file.load(0).is_empty());
        let alerts: Vec<_> = book().alerts().cloned().collect();
        file.save(1_005_000, &alerts).unwrap();
        let back = file.load(9_000_000);
        assert_eq!(back.len(), 1);
        assert_eq!(
            (back[0].state, &back[0].series, back[0].severity),
            (Phase::Firing, &alerts[0].series, Severity::Critical)
        );
        assert_eq!((back[0].value, &*back[0].evidence), (0.9, "bound 0.8"));
        assert!(back[0].active_since_ms <= 9_000_000 - 5_000);
    }

    #[test]
    fn a_broken_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        fs::write(&path, "{\"savedAt").unwrap();
        assert!(AlertsFile::new(path.clone()).load(0).is_empty());
        assert!(!path.exists() && folder.path().join("alerts.unreadable").exists());
    }
}
