use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::files;

/// Bytes of a file with a password.
const BYTES_MAX: u64 = 4 << 10;

/// What clients of a node's tasks must know.
#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// The file whose first line is the password of the tasks: of workers, and of who changes tasks over HTTP
    #[arg(long, value_name = "FILE", env = "SWITCHYARD_FAKTORY_PASSWORD_FILE")]
    faktory_password_file: Option<PathBuf>,
}

impl PasswordArguments {
    /// The password; none where no file is named. A file that others may read is refused, as is one without a password: who
    /// names one does not want everybody to come in.
    pub(crate) fn read(&self) -> Result<Option<String>> {
        let Some(path) = &self.faktory_password_file else { return Ok(None) };
        let shown = path.display();
        let bytes = files::read(path, BYTES_MAX)?;
        let mode = std::fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!(
                "{shown} has mode {:04o} and holds a password that others could read: run `chmod 600 {shown}`",
                mode & 0o777
            );
        }
        let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not a text"))?;
        match text.lines().next().map(str::trim_end).filter(|password| !password.is_empty()) {
            Some(password) => Ok(Some(password.to_owned())),
            None => bail!("{shown} has no password in its first line"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, mode: u32, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        files::write(&path, content.as_bytes(), mode).unwrap();
        let read = PasswordArguments { faktory_password_file: Some(path) }.read();
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read.as_deref(), Some(expected)),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (read, expected) => panic!("{read:?} {expected:?}"),
        }
    }

    #[test]
    fn the_first_line_is_the_password() {
        check("secret\nmore", 0o600, Ok("secret"));
        check("two words\r\n", 0o400, Ok("two words"));
        check("\nsecret", 0o600, Err("no password"));
        check("", 0o600, Err("no password"));
        check("secret", 0o640, Err("chmod 600"));
        assert_eq!(PasswordArguments { faktory_password_file: None }.read().unwrap(), None);
    }
}
