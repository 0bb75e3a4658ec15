use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    command::{command, execute, output},
    workspace::Workspace,
};

/// What the tests and the demo start, and the package that has it.
const PEERS: [(&str, &str); 7] = [
    ("etcd", "etcd-server"),
    // Child processes end with their test: util-linux has it, and so has every Debian.
    ("setpriv", "util-linux"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("redis-benchmark", "redis-tools"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
];

/// No program but a library, so no search path leads to it. Tests look in the same places.
const FAKETIME: (&str, &str) = ("libfaketimeMT.so.1", "libfaketime");
const FAKETIME_FOLDERS: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
    "/usr/local/lib/faketime",
];

/// What only comparisons are made with: no test needs it.
const COMPARED: [(&str, &str); 4] =
    [("beanstalkd", "beanstalkd"), ("haproxy", "haproxy"), ("nginx", "nginx-light"), ("wrk", "wrk")];

/// Debian 12's. Another version works, and figures beside it are not comparable with ours: so it is said.
const REDIS_VERSION: &str = "v=7.0.";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What etcd's client is compiled with: a compiler of protocol files, and beside it the types that come with every protocol.
const PROTOC: (&str, &str) = ("protoc", "protobuf-compiler");
const PROTOC_TYPES: (&str, &str) = ("google/protobuf/descriptor.proto", "libprotobuf-dev");

/// Says in one line what is missing, also to those who build without a task.
const OUR_PROTOC: &str = "deploy/protoc";

/// What nothing can be built without.
pub(super) fn ensure_build(workspace: &Workspace) -> Result<()> {
    // Whoever names one of their own knows where its types are. Cargo itself names ours.
    if std::env::var_os("PROTOC").is_some_and(|named| Path::new(&named) != workspace.root().join(OUR_PROTOC)) {
        return Ok(());
    }
    let protoc = find(PROTOC.0);
    let types = protoc.as_deref().is_some_and(|protoc| include(protoc).join(PROTOC_TYPES.0).is_file());
    let missing =
        [(protoc.is_some(), PROTOC.1), (types || std::env::var_os("PROTOC_INCLUDE").is_some(), PROTOC_TYPES.1)];
    let missing: Vec<&str> = missing.into_iter().filter(|(there, _)| !there).map(|(_, package)| package).collect();
    install(workspace, &missing)
}

/// Where a compiler of protocol files looks by itself, as seen from where it really lies.
fn include(protoc: &Path) -> PathBuf {
    let place = protoc.canonicalize().unwrap_or_else(|_| protoc.to_owned());
    place.ancestors().nth(2).unwrap_or(Path::new("/usr")).join("include")
}

/// etcd, Redis and Prometheus, and their tools; and the library that moves the time of day for tests of it.
pub(super) fn ensure_peers(workspace: &Workspace) -> Result<()> {
    install_missing(workspace, &PEERS)?;
    if !FAKETIME_FOLDERS.iter().any(|folder| Path::new(folder).join(FAKETIME.0).is_file()) {
        install(workspace, &[FAKETIME.1])?;
    }
    let version = output(command(workspace, "redis-server", ["--version"]))?;
    if !version.contains(REDIS_VERSION) {
        eprintln!("note: figures were taken beside Redis 7.0; this machine has: {}", version.trim());
    }
    Ok(())
}

/// What the comparisons need beside that.
pub(super) fn ensure_compared(workspace: &Workspace) -> Result<()> {
    install_missing(workspace, &COMPARED)
}

fn install_missing(workspace: &Workspace, programs: &[(&str, &'static str)]) -> Result<()> {
    let mut missing: Vec<&str> =
        programs.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    missing.dedup();
    install(workspace, &missing)
}

/// Installs Debian packages where we may, else says what to run.
pub(super) fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    if find("apt-get").is_none() || !is_root() {
        bail!(
            "{wanted}: missing, and only root may install: run `apt-get update && apt-get install -y {wanted}` as root"
        );
    }
    execute(command(workspace, "apt-get", ["update", "--quiet"]))?;
    let mut install = command(workspace, "apt-get", ["install", "--yes", "--quiet", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    execute(install).with_context(|| format!("{wanted}: apt-get cannot install it"))
}

/// A program on the search path, or where servers lie: only root's path leads there.
fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// One suite of Debian's archive, read with an apt of its own folders: the machine's configuration gives the mirror and
/// is not touched.
pub(super) struct Source {
    folder: PathBuf,
    options: Vec<String>,
}

impl Source {
    /// Fetches the list of the suite.
    pub(super) fn prepare(workspace: &Workspace, scratch: &Path, suite: &str) -> Result<Self> {
        if find("apt-get").is_none() || find("dpkg-deb").is_none() {
            bail!(
                "apt-get and dpkg-deb are not here: run `rustup target add wasm32-unknown-unknown` where a toolchain server answers"
            );
        }
        let folder = scratch.join("apt");
        fs::create_dir_all(folder.join("lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let list = folder.join("sources.list");
        fs::write(&list, format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror(workspace)?))?;
        let option = |key: &str, value: &Path| format!("--option={key}={}", value.display());
        let options = vec![
            option("Dir::Etc::SourceList", &list),
            option("Dir::Etc::SourceParts", Path::new("/dev/null")),
            option("Dir::State::Lists", &folder.join("lists")),
            option("Dir::Cache", &folder.join("cache")),
            // Without it apt drops to a user of its own, who may not read a folder under somebody's home.
            "--option=APT::Sandbox::User=root".to_owned(),
        ];
        let source = Self { folder, options };
        execute(source.apt("apt-get", ["update", "--quiet"]))
            .with_context(|| format!("{suite}: its list cannot be had"))?;
        Ok(source)
    }

    /// The versions that the suite has of a package.
    pub(super) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = output(self.apt("apt-cache", ["madison", package]))?;
        Ok(table.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect())
    }

    /// Fetches one package file; apt checks it against the signed list.
    pub(super) fn download(&self, package: &str, version: &str) -> Result<PathBuf> {
        let mut download = self.apt("apt-get", ["download", "--quiet"]);
        download.arg(format!("{package}={version}"));
        execute(download)?;
        let file = self.folder.read_dir()?.filter_map(Result::ok).map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        });
        file.with_context(|| format!("apt-get has not written {package} to {}", self.folder.display()))
    }

    fn apt<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut apt = Command::new(program);
        apt.args(&self.options).args(arguments).current_dir(&self.folder);
        apt
    }
}

/// Where this machine gets Debian from, as apt itself says.
fn mirror(workspace: &Workspace) -> Result<String> {
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
    let targets = output(command(workspace, "apt-get", ["indextargets", "--format", format, "Created-By: Packages"]))?;
    let codename = codename()?;
    pick_mirror(&targets, &codename)
        .with_context(|| format!("apt's configuration names no mirror of Debian {codename}: add one to /etc/apt"))
}

fn pick_mirror(targets: &str, codename: &str) -> Option<String> {
    targets.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
        [mirror, release, "main"] if *release == codename => Some((*mirror).to_owned()),
        _ => None,
    })
}

fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("/etc/os-release cannot be read")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release has no VERSION_CODENAME")?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_lie_beside_the_compiler() {
        assert_eq!(include(Path::new("/opt/none/bin/protoc")), Path::new("/opt/none/include"));
    }

    #[test]
    fn the_mirror_is_the_one_of_the_release_itself() {
        let targets = "http://security.example/ bookworm-security main\n\
                       http://other.example/ nodistro main\n\
                       http://mirror.example/debian/ bookworm main\n";
        assert_eq!(pick_mirror(targets, "bookworm").as_deref(), Some("http://mirror.example/debian/"));
        assert_eq!(pick_mirror(targets, "trixie"), None);
    }
}
