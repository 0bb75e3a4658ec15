use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::debian::Source;
use crate::{
    command::{command, execute, output},
    workspace::Workspace,
};

/// Debian 12 has an older compiler; the suite that carries newer ones belongs to the next release.
const SUITE: &str = "trixie-backports";
const PACKAGE: &str = "rust-src";

/// Whether the source of the standard library is where Cargo's `-Zbuild-std` looks.
pub(crate) fn is_there(rustlib: &Path) -> bool {
    library(rustlib).join("Cargo.lock").is_file()
}

fn library(rustlib: &Path) -> PathBuf {
    rustlib.join("src/rust/library")
}

/// Puts Debian's copy of the standard library's source where Cargo looks. Only the version of our own compiler will do:
/// the library uses what is unstable in it.
pub(crate) fn fetch(workspace: &Workspace, rustlib: &Path) -> Result<()> {
    let release = compiler_release(workspace)?;
    let scratch = workspace.target().join("setup");
    fs::create_dir_all(&scratch)?;
    let source = Source::prepare(workspace, &scratch, SUITE)?;
    let version = source
        .versions(PACKAGE)?
        .into_iter()
        .find(|version| version.starts_with(&format!("{release}+")))
        .with_context(|| {
            format!("{SUITE} has no {PACKAGE} {release}: run `rustup component add rust-src` or `rustup target add wasm32-unknown-unknown` where a toolchain server answers")
        })?;
    let package = source.download(PACKAGE, &version)?;
    unpack(&package, &format!("./usr/src/rustc-{release}/library"), &library(rustlib))?;
    fs::remove_dir_all(&scratch)?;
    println!("set-up: the source of the standard library {release} is in {}", library(rustlib).display());
    Ok(())
}

fn compiler_release(workspace: &Workspace) -> Result<String> {
    let verbose = output(command(workspace, "rustc", ["-vV"]))?;
    let release = verbose.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc -vV names no release")?.to_owned())
}

/// One folder of a package, whole or not at all: it is unpacked beside its place and then renamed.
fn unpack(package: &Path, member: &str, place: &Path) -> Result<()> {
    let parent = place.parent().context("the library has a parent folder")?;
    let partial = parent.join("library.partial");
    let writable = fs::create_dir_all(parent).and_then(|()| fs::create_dir_all(&partial));
    writable.with_context(|| format!("{} cannot be written: run set-up as its owner", parent.display()))?;

    let mut archive = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let stream = archive.stdout.take().context("dpkg-deb has an output")?;
    let depth = member.split('/').count();
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--directory").arg(&partial).arg(format!("--strip-components={depth}")).arg(member);
    tar.stdin(stream);
    let unpacked = execute(tar);
    if !archive.wait()?.success() {
        bail!("{} cannot be unpacked: dpkg-deb failed", package.display());
    }
    unpacked?;
    fs::rename(&partial, place).with_context(|| format!("{} cannot be put in place", place.display()))
}
