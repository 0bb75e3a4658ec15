use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::project::Project;

/// What plugins are compiled for: no system interface at all.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The compiler that builds a project, and where it has the standard library for plugins from.
pub(super) struct Toolchain {
    /// The source of the standard library: what panics name as their place.
    pub(super) library: PathBuf,
    /// Whether there is only the source.
    pub(super) from_source: bool,
}

impl Toolchain {
    /// Asks the compiler that the project's own folder selects.
    pub(super) fn find(project: &Project) -> Result<Self> {
        let mut rustc = Command::new("rustc");
        let answer = rustc.args(["--print", "sysroot"]).current_dir(&project.folder).output();
        let answer = answer.context("rustc cannot be started: plugins are built with Rust, see https://rustup.rs")?;
        if !answer.status.success() {
            bail!("rustc does not say where it is: {}", String::from_utf8_lossy(&answer.stderr).trim());
        }
        let sysroot = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
        let rustlib = sysroot.join("lib/rustlib");
        let library = rustlib.join("src/rust/library");
        if rustlib.join(TARGET).join("lib").is_dir() {
            return Ok(Self { library, from_source: false });
        }
        if library.join("Cargo.lock").is_file() {
            return Ok(Self { library, from_source: true });
        }
        bail!(
            "the standard library for plugins is missing: run `rustup target add {TARGET}` (in a checkout of Switchyard, \
             `cargo xtask setup` also finds a way without a toolchain server)"
        )
    }
}
