use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use switchyard_store::EtcdUser;

use crate::secret;

/// Who asks etcd, where it wants to know.
#[derive(Debug, Args)]
pub(crate) struct EtcdUserArguments {
    /// The user of etcd, where it wants to know
    #[arg(long, value_name = "NAME", requires_all = ["etcd", "etcd_password_file"])]
    etcd_user: Option<String>,
    /// The file whose first line is that user's password
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    etcd_password_file: Option<PathBuf>,
}

impl EtcdUserArguments {
    /// None: nobody in particular.
    pub(crate) fn read(&self) -> Result<Option<EtcdUser>> {
        let (Some(name), Some(file)) = (&self.etcd_user, &self.etcd_password_file) else { return Ok(None) };
        Ok(Some(EtcdUser { name: name.clone(), password: secret::read(file, "the password of etcd")? }))
    }
}
