//! Where the programs and plugins under test lie. What is absent stops with one line that says how to get it.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Makes what is no part of the checkout.
const SET_UP: &str = "cargo xtask setup";
/// Makes what only comparisons need, and runs them.
const BENCH: &str = "cargo xtask bench";

/// The checkout that this was built from.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().collect()
}

/// The binary under test: `SWITCHYARD_BIN`, else the one built beside this program.
pub fn switchyard() -> Result<PathBuf> {
    let folder = profile_folder()?;
    let release = if folder.ends_with("release") { " --release" } else { "" };
    let path = env::var_os("SWITCHYARD_BIN").map_or_else(|| folder.join("switchyard"), PathBuf::from);
    present(path, &format!("cargo build --workspace --bin switchyard{release}"))
}

/// The component of a plugin: in `SWITCHYARD_PLUGINS`, else in `target/plugins`.
pub fn plugin(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("SWITCHYARD_PLUGINS") {
        Some(folder) => folder.into(),
        None => workspace().join("target/plugins"),
    };
    present(folder.join(format!("{name}.wasm")), "cargo xtask plugins")
}

/// The Python that has the pinned redis-py.
pub fn python() -> Result<PathBuf> {
    present(workspace().join("target/python/bin/python"), SET_UP)
}

/// A program that comes with the system.
pub fn program(name: &str) -> Result<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    find(name, env::split_paths(&folders)).with_context(|| format!("{name} is not installed: run `{SET_UP}`"))
}

/// A program that only comparisons need, and the Debian package that has it. Servers lie where only root's search path leads.
pub fn peer(name: &str, package: &str) -> Result<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = find(name, env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]));
    found.with_context(|| {
        format!("{name} is not installed: run `apt-get install {package}`, or `{BENCH}`, which does it")
    })
}

/// The library that moves the time of day of the programs that load it: Debian's place, and where others have it.
pub fn faketime() -> Result<PathBuf> {
    let debian = format!("/usr/lib/{}-linux-gnu/faketime", env::consts::ARCH);
    let folders = [debian.as_str(), "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"];
    // The one for programs of many threads: the other one's threads read each other's half-written times.
    find("libfaketimeMT.so.1", folders.map(PathBuf::from)).with_context(|| {
        format!("libfaketime is not installed: run `apt-get install libfaketime`, or `{SET_UP}`, which does it")
    })
}

fn find(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn present(path: PathBuf, make: &str) -> Result<PathBuf> {
    ensure!(path.is_file(), "{} is missing: run `{make}`", path.display());
    Ok(path)
}

/// `target/debug` or `target/release`: tests lie one level deeper.
fn profile_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("this program does not know where it lies")?;
    let folder = program.parent().context("this program lies in no folder")?;
    let inner = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    Ok(if inner { folder.parent().unwrap_or(folder).to_path_buf() } else { folder.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_the_command_that_makes_it() {
        let error = plugin("no-such-plugin").unwrap_err().to_string();
        assert!(error.contains("no-such-plugin.wasm is missing: run `cargo xtask plugins`"), "{error}");
        let error = program("no-such-program").unwrap_err().to_string();
        assert_eq!(error, "no-such-program is not installed: run `cargo xtask setup`");
        let error = peer("no-such-program", "a-package").unwrap_err().to_string();
        assert!(error.contains("`apt-get install a-package`"), "{error}");
    }
}
