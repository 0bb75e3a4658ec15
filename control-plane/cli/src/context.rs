use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::files;

/// Where a client finds its server: written by `switchyard dev` for the user who starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextFile {
    pub(crate) server: String,
    pub(crate) token: String,
}

const MODE: u32 = 0o600;
const BYTES_MAX: u64 = 16 << 10;

/// `SWITCHYARD_CONTEXT`, else in the user's configuration folder.
pub(crate) fn path() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("SWITCHYARD_CONTEXT") {
        return Ok(path);
    }
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let folder = folder.context("there is no place for the context file: set SWITCHYARD_CONTEXT or HOME")?;
    Ok(folder.join("switchyard/context.json"))
}

/// The file's content; none: there is no such file. One that others may read is refused: its token is not a secret.
pub(crate) fn read(path: &Path) -> Result<Option<ContextFile>> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{shown} has mode {mode:04o} and holds a token that others could read: run `chmod 600 {shown}`, and `switchyard dev --rotate-token` if somebody has"
        );
    }
    let text = files::read(path, BYTES_MAX)?;
    let content = serde_json::from_slice(&text);
    content.with_context(|| format!("{shown} is not valid: expected {{\"server\": URL, \"token\": TOKEN}}")).map(Some)
}

/// Writes it for this user only.
pub(crate) fn write(path: &Path, content: &ContextFile) -> Result<()> {
    files::write(path, &serde_json::to_vec_pretty(content)?, MODE)
}
