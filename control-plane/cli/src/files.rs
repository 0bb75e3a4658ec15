use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, bail};

/// A file with its path in the error.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let found = fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?;
    if found.is_dir() {
        bail!("{shown} is a folder: expected a file");
    }
    if found.len() > bytes_max {
        bail!("{shown} has {} bytes: at most {bytes_max} are taken", found.len());
    }
    fs::read(path).with_context(|| format!("{shown} cannot be read"))
}

/// Writes a file whole or not at all: beside its place, synchronised, then renamed. `mode` is its permissions from the
/// first byte on, so that a secret is never readable in between.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let mut name = path.file_name().context("a file has a name")?.to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = folder.join(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // What failed is told below; a leftover would only be in the way.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("{shown} cannot be written"))
}
