use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::secret;

/// What clients of a node's tasks must know.
#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// The file whose first line is the password of the tasks: of workers, and of who changes tasks over HTTP
    #[arg(long, value_name = "FILE", env = "SWITCHYARD_FAKTORY_PASSWORD_FILE")]
    faktory_password_file: Option<PathBuf>,
}

impl PasswordArguments {
    /// The password; none where no file is named.
    pub(crate) fn read(&self) -> Result<Option<String>> {
        self.faktory_password_file.as_ref().map(|path| secret::read(path, "the password of the tasks")).transpose()
    }
}
