use std::path::Path;

use anyhow::{Context, Result};
use switchyard_host::{Compiler, Host, HostConfig};

/// The very program that runs, also when its file has been replaced since: machine code of another version would not load.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// A host that compiles in a worker process: this program, started once more.
pub(crate) fn host(compiled_dir: Option<&Path>) -> Result<Host> {
    let compiler = Compiler::Worker { program: THIS_PROGRAM.into(), arguments: vec!["compile-worker".into()] };
    let config = HostConfig::new(compiler);
    let config = match compiled_dir {
        Some(dir) => config.with_compiled_dir(dir.to_path_buf()),
        None => config,
    };
    Host::new(config).context("the WebAssembly host cannot start")
}
