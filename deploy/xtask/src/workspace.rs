use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The checkout that a task works on.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The checkout that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).context("deploy/xtask is two folders below the root")?.to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder, where everything that tasks make goes.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The Python of the environment that clients of the tests run in.
    pub(crate) fn python(&self) -> PathBuf {
        self.target.join("python/bin/python")
    }

    /// The folders of `plugins/` by name: each is one strategy.
    pub(crate) fn plugins(&self) -> Result<Vec<String>> {
        let folder = self.root.join("plugins");
        let mut names = Vec::new();
        for entry in folder.read_dir().with_context(|| format!("{} cannot be read", folder.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}
