use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use wit_component::ComponentEncoder;

/// What plugins are compiled for, here and there.
const TARGET: &str = "wasm32-unknown-unknown";
/// The strategy that is compared.
const STRATEGY: &str = "routing-least-connections";

/// Everybody's plugins, as bytes.
pub(crate) struct Guests {
    /// The strategy as a component.
    pub(crate) component: Vec<u8>,
    /// A component that traps when it is asked to.
    pub(crate) trapping: Vec<u8>,
    /// The strategy as a module for Extism.
    pub(crate) extism: Vec<u8>,
}

impl Guests {
    /// Compiles this folder's; the strategy is the one that `cargo xtask plugins` has made, to the byte.
    pub(crate) fn build() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Of its own: Cargo, which may have started this, holds the lock of the other.
        let target = folder.join("target/guests");
        let status = Command::new("cargo")
            .args(["build", "--locked", "--package", "extism-guest", "--package", "trapping-guest"])
            .args(["--profile", "guest", "--target", TARGET, "--target-dir"])
            .arg(&target)
            .current_dir(folder)
            .status()
            .context("cargo cannot be started")?;
        ensure!(status.success(), "the guests cannot be built: {status}");
        let modules = target.join(TARGET).join("guest");
        let trapping = read(&modules.join("trapping_guest.wasm"))?;
        Ok(Self {
            component: component(folder)?,
            trapping: ComponentEncoder::default().validate(true).module(&trapping)?.encode()?,
            extism: read(&modules.join("extism_guest.wasm"))?,
        })
    }
}

fn component(folder: &Path) -> Result<Vec<u8>> {
    let plugins = env::var_os("SWITCHYARD_PLUGINS").map_or_else(|| folder.join("../../target/plugins"), PathBuf::from);
    read(&plugins.join(format!("{STRATEGY}.wasm"))).context("run `cargo xtask plugins`")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
