use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{
    project::Project,
    toolchain::{TARGET, Toolchain},
};

/// The profile that every plugin is built with, whatever its workspace says: small, fast, with function names for the
/// backtrace of a trap, and without line tables, which hold paths of the machine that built them.
const PROFILE: [&str; 6] = [
    "profile.release.debug=false",
    "profile.release.strip=\"debuginfo\"",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.incremental=false",
];

/// Compiles the project and reads the core module. Cargo's own progress and errors go to standard error.
pub(super) fn compile(project: &Project, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let mut cargo = command(project, toolchain);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let messages = child.stdout.take().context("cargo has an output")?;
    let module = find_module(messages, &project.folder.join("Cargo.toml"))?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{}: cargo build failed; its messages are above", project.name);
    }
    let module = module.with_context(|| format!("{}: cargo has built no WebAssembly module", project.name))?;
    fs::read(&module).with_context(|| format!("{} cannot be read", module.display()))
}

fn command(project: &Project, toolchain: &Toolchain) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&project.folder);
    cargo.args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    if toolchain.from_source {
        cargo.args(["-Z", "build-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
    }
    // It replaces every other source of flags: what somebody's shell sets must not change the digest.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped(project, toolchain).join("\u{1f}"));
    cargo
}

/// Paths of this machine, as panic messages would name them, under names that are the same everywhere.
fn remapped(project: &Project, toolchain: &Toolchain) -> Vec<String> {
    // Of several prefixes of a path the last one counts.
    let mut places =
        vec![(project.workspace.clone(), "/build".to_owned()), (toolchain.library.clone(), "/rust/library".to_owned())];
    places.extend(registries().into_iter().map(|registry| (registry, "/crates".to_owned())));
    places.extend(project.local.iter().map(|(name, folder)| (folder.clone(), format!("/local/{name}"))));
    places.iter().map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())).collect()
}

/// Where Cargo unpacks crates. The folder's name tells which registry they came from, a mirror's is another.
fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let folders = home.and_then(|home| home.join("registry/src").read_dir().ok());
    folders.into_iter().flatten().filter_map(Result::ok).map(|folder| folder.path()).collect()
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module among what Cargo says that it has made. Other lines are for other readers.
fn find_module(messages: ChildStdout, manifest: &Path) -> Result<Option<PathBuf>> {
    let mut found = None;
    for line in BufReader::new(messages).lines() {
        let Ok(message) = serde_json::from_str::<Message>(&line?) else { continue };
        if message.reason == "compiler-artifact" && message.manifest_path == manifest {
            let module = message.filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"));
            found = module.or(found);
        }
    }
    Ok(found)
}
