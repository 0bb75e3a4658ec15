use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use switchyard_sdk::testing::spread;

/// A folder of traces. The last one that was asked for stays in memory.
pub(crate) struct Traces {
    folder: PathBuf,
    last: Option<(String, Vec<u64>)>,
}

impl Traces {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), last: None }
    }

    /// The trace's ids, spread over 64 bits: a strategy must not see that an id is new because it is the largest so far.
    pub(crate) fn ids(&mut self, trace: &str) -> Result<&[u64]> {
        let ids = match self.last.take() {
            Some((name, ids)) if name == trace => ids,
            _ => read(&self.folder, trace).with_context(|| format!("trace {trace}"))?,
        };
        Ok(&self.last.insert((trace.to_owned(), ids)).1)
    }
}

fn read(folder: &Path, trace: &str) -> Result<Vec<u64>> {
    // The one trace with sizes; they are ignored here.
    if trace == "cloudphysicsIO" {
        return read_csv(&folder.join("cloudPhysicsIO.csv.gz"));
    }
    let path = folder.join(format!("{trace}.u32le.zst"));
    let bytes = zstd::decode_all(fs::File::open(&path).with_context(|| path.display().to_string())?)?;
    let (ids, []) = bytes.as_chunks() else { anyhow::bail!("the length is not a multiple of 4 bytes") };
    Ok(ids.iter().map(|id| spread(u32::from_le_bytes(*id).into())).collect())
}

fn read_csv(path: &Path) -> Result<Vec<u64>> {
    let mut text = String::new();
    let file = fs::File::open(path).with_context(|| path.display().to_string())?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    let id = |line: &str| Some(spread(line.split(',').nth(1)?.parse().ok()?));
    text.lines().skip(1).map(|line| id(line).with_context(|| format!("no id in {line:?}"))).collect()
}
