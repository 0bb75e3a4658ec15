use std::{os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, bail};

use crate::files;

/// Bytes of a file with a secret.
const BYTES_MAX: u64 = 4 << 10;

/// The secret in a file's first line. A file that others may read is refused, as is one without a secret: who names one
/// does not want everybody to come in.
pub(crate) fn read(path: &Path, what: &str) -> Result<String> {
    let shown = path.display();
    let bytes = files::read(path, BYTES_MAX)?;
    let mode = std::fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "{shown} has mode {:04o} and holds {what}, which others could read: run `chmod 600 {shown}`",
            mode & 0o777
        );
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not a text"))?;
    match text.lines().next().map(str::trim_end).filter(|secret| !secret.is_empty()) {
        Some(secret) => Ok(secret.to_owned()),
        None => bail!("{shown} does not have {what} in its first line"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, mode: u32, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        files::write(&path, content.as_bytes(), mode).unwrap();
        let found = read(&path, "the password");
        match (found, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (read, expected) => panic!("{read:?} {expected:?}"),
        }
    }

    #[test]
    fn the_first_line_is_the_secret() {
        check("secret\nmore", 0o600, Ok("secret"));
        check("two words\r\n", 0o400, Ok("two words"));
        check("\nsecret", 0o600, Err("does not have the password"));
        check("", 0o600, Err("does not have the password"));
        check("secret", 0o640, Err("chmod 600"));
    }
}
