//! A time of day that can be moved while programs run. Their monotonic clock goes on as it does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{paths, process::Environment};

/// The time of day of those who are started with its [environment](Self::environment).
#[derive(Debug)]
pub struct FakeClock {
    library: PathBuf,
    offset: PathBuf,
}

impl FakeClock {
    /// One that is right. The file by which it is moved lies in this folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let clock = Self { library: paths::faketime()?, offset: folder.join("time-of-day") };
        clock.set(0)?;
        Ok(clock)
    }

    /// What a program must be started with.
    pub fn environment(&self) -> Environment {
        Environment::from([
            ("LD_PRELOAD", self.library.clone().into_os_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.clone().into_os_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ])
    }

    /// Sets it so many seconds before the right time or after it.
    pub fn set(&self, offset_seconds: i64) -> Result<()> {
        let written = self.offset.with_extension("new");
        // Renamed into place: those who look see the old time or the new one.
        fs::write(&written, format!("{offset_seconds:+}\n"))?;
        fs::rename(&written, &self.offset).context("the time of day cannot be moved")
    }
}
