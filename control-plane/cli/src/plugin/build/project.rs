use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::toolchain::TARGET;

/// A Cargo package that becomes a plugin.
pub(super) struct Project {
    /// The package's name.
    pub(super) name: String,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The folder of the workspace that it belongs to; its own when it stands alone.
    pub(super) workspace: PathBuf,
    /// Packages that it takes from folders and not from a registry, with their folders: itself, and often the SDK.
    pub(super) local: Vec<(String, PathBuf)>,
    target: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Project {
    /// Asks Cargo what is in the folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        let manifest = manifest.canonicalize().with_context(|| {
            format!(
                "{} is not there: expected a plugin's folder, as `switchyard plugin new` makes it",
                manifest.display()
            )
        })?;
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--format-version", "1", "--filter-platform", TARGET, "--manifest-path"])
            .arg(&manifest);
        let answer =
            cargo.output().context("cargo cannot be started: plugins are built with Rust, see https://rustup.rs")?;
        if !answer.status.success() {
            bail!("{} cannot be read\n{}", manifest.display(), String::from_utf8_lossy(&answer.stderr).trim());
        }
        let metadata =
            serde_json::from_slice(&answer.stdout).context("cargo metadata has another shape than expected")?;
        Self::pick(metadata, &manifest)
    }

    fn pick(metadata: Metadata, manifest: &Path) -> Result<Self> {
        let shown = manifest.display();
        let package = metadata.packages.iter().find(|package| package.manifest_path == manifest);
        let package = package.with_context(|| format!("{shown} is a workspace: name the folder of one plugin"))?;
        let dynamic = |target: &Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        if !package.targets.iter().any(dynamic) {
            bail!("{shown} builds no plugin: expected `crate-type = [\"cdylib\", \"rlib\"]` under [lib]");
        }
        let name = package.name.clone();
        let folder = manifest.parent().context("a manifest is in a folder")?.to_path_buf();
        let Metadata { workspace_root: workspace, target_directory: target, packages } = metadata;
        let local = packages
            .into_iter()
            .filter(|package| package.source.is_none())
            .filter_map(|package| Some((package.name, package.manifest_path.parent()?.to_path_buf())));
        Ok(Self { name, folder, workspace, local: local.collect(), target })
    }

    /// Where the component goes when nothing is said.
    pub(super) fn default_out(&self) -> PathBuf {
        self.target.join("plugins").join(format!("{}.wasm", self.name))
    }
}
