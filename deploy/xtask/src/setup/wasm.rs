use std::path::PathBuf;

use anyhow::Result;

use super::rust_src;
use crate::{
    command::{command, execute, output},
    workspace::Workspace,
};

/// What plugins are compiled for: no system interface at all.
const TARGET: &str = "wasm32-unknown-unknown";

/// rustup tries again by itself; a server that has not answered by then does not answer.
const RUSTUP_SECONDS_MAX: &str = "120";

/// The target's standard library, or its source: `switchyard plugin build` compiles it from source where that is all
/// there is.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let rustlib = rustlib(workspace)?;
    let installed = rustlib.join(TARGET).join("lib");
    if installed.is_dir() || rust_src::is_there(&rustlib) {
        return Ok(());
    }
    let add = execute(command(workspace, "timeout", [RUSTUP_SECONDS_MAX, "rustup", "target", "add", TARGET]));
    if installed.is_dir() {
        return Ok(());
    }
    match add {
        Err(error) => eprintln!("{error:#}"),
        Ok(()) => eprintln!("rustup has added {TARGET} to another toolchain than {}", rustlib.display()),
    }
    eprintln!("instead, the standard library will be compiled from Debian's package of its source");
    rust_src::fetch(workspace, &rustlib)
}

fn rustlib(workspace: &Workspace) -> Result<PathBuf> {
    let sysroot = output(command(workspace, "rustc", ["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot.trim()).join("lib/rustlib"))
}
