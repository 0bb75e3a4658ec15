//! From a project to a component: Cargo compiles a core module for `wasm32-unknown-unknown`, and the module's own
//! description of its world, which the SDK has put into it, makes a component of it. No other tool is needed.

mod cargo;
mod encode;
mod project;
mod toolchain;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use switchyard_types::{Digest, format_bytes};

use self::{project::Project, toolchain::Toolchain};
use crate::{arguments::Global, files, output};

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the component is written; default: plugins/NAME.wasm in the project's target folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(verb: &Build, global: &Global) -> Result<()> {
    let project = Project::read(&verb.dir)?;
    let toolchain = Toolchain::find(&project)?;
    let module = cargo::compile(&project, &toolchain)?;
    let component = encode::component(&module)?;
    let out = verb.out.clone().unwrap_or_else(|| project.default_out());
    files::write(&out, &component, 0o644)?;
    let result = json!({
        "plugin": project.name,
        "file": out,
        "size_bytes": component.len(),
        "digest": Digest::of(&component),
    });
    output::print(global.output, &result, |_| Ok(show(&out, &component)))
}

fn show(out: &Path, component: &[u8]) -> String {
    format!("{}  {}  {}", out.display(), format_bytes(component.len() as u64), Digest::of(component))
}
