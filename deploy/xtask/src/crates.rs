use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    command::{cargo, output},
    workspace::Workspace,
};

/// A crate of the workspace.
pub(crate) struct Crate {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    /// Its manifest.
    pub(crate) manifest: PathBuf,
    /// The first file of every library and binary.
    pub(crate) roots: Vec<PathBuf>,
    /// Its benchmarks.
    pub(crate) benches: Vec<String>,
    /// What it depends on, also for tests and builds.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as the manifest has it.
pub(crate) struct Dependency {
    /// The crate.
    pub(crate) name: String,
    /// Only tests and benchmarks see it.
    pub(crate) development: bool,
}

/// The crates as Cargo sees them.
pub(crate) fn read(workspace: &Workspace) -> Result<Vec<Crate>> {
    let text = output(cargo(workspace, ["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata did not print JSON")?;
    let root = field(&metadata, "workspace_root").as_str().unwrap_or_default();
    list(field(&metadata, "packages")).map(|package| read_one(package, root)).collect()
}

fn read_one(package: &Value, root: &str) -> Result<Crate> {
    let manifest = PathBuf::from(text(field(package, "manifest_path"))?);
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()).context("a crate has a folder")?;
    let of_kind = |kinds: &[&str]| {
        let matches =
            |target: &&Value| list(field(target, "kind")).any(|kind| kinds.iter().any(|wanted| kind == wanted));
        list(field(package, "targets")).filter(matches).collect::<Vec<_>>()
    };
    let roots = of_kind(&["bin", "lib", "rlib", "cdylib"]);
    let roots =
        roots.into_iter().map(|target| text(field(target, "src_path")).map(PathBuf::from)).collect::<Result<_>>()?;
    let benches = of_kind(&["bench"]);
    let benches =
        benches.into_iter().map(|target| text(field(target, "name")).map(str::to_owned)).collect::<Result<_>>()?;
    let dependencies = list(field(package, "dependencies"))
        .map(|dependency| {
            let development = field(dependency, "kind") == "dev";
            Ok(Dependency { name: text(field(dependency, "name"))?.to_owned(), development })
        })
        .collect::<Result<_>>()?;
    Ok(Crate {
        name: text(field(package, "name"))?.to_owned(),
        folder: folder.to_string_lossy().into_owned(),
        manifest: manifest.clone(),
        roots,
        benches,
        dependencies,
    })
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("cargo metadata has another shape than this task knows")
}
