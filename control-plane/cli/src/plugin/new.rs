use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use switchyard_types::{PluginName, StrategyKind};

use crate::{arguments::Global, files, output};

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What the strategy decides about
    #[arg(long, default_value = "caching")]
    kind: StrategyKind,
    /// The plugin's name
    name: PluginName,
    /// Where the project goes; default: a folder of its name
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// The folder of the SDK, sdk/guest in a checkout of Switchyard; default: the one that this program was built with
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// The files of a project, by their place in it; `src/lib.rs` comes from its kind.
const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../../templates/Cargo.toml.template")),
    ("strategy.yaml", include_str!("../../templates/strategy.yaml.template")),
    ("README.md", include_str!("../../templates/README.md.template")),
    (".gitignore", include_str!("../../templates/gitignore.template")),
];

/// What a project of one kind begins with.
struct Beginning {
    source: &'static str,
    /// What it decides, for its README.
    policy: &'static str,
    /// The command that plays a trace against it; none: there is none for its kind.
    replay: Option<&'static str>,
}

fn beginning(kind: StrategyKind) -> Beginning {
    match kind {
        StrategyKind::Alerting => Beginning {
            source: include_str!("../../templates/alerting/lib.rs.template"),
            policy: "a node whose memory is full is not normal. Change `evaluate`.",
            replay: None,
        },
        StrategyKind::Caching => Beginning {
            source: include_str!("../../templates/caching/lib.rs.template"),
            policy: "first in, first out. Change `store` and `event`.",
            replay: Some("--trace TRACE --strategy {{name}} --size 1000"),
        },
        StrategyKind::Routing => Beginning {
            source: include_str!("../../templates/routing/lib.rs.template"),
            policy: "whoever has least to do is next. Change `pick`.",
            replay: Some("--requests TRACE --strategy {{name}}"),
        },
        StrategyKind::Scheduling => Beginning {
            source: include_str!("../../templates/scheduling/lib.rs.template"),
            policy: "first in, first out. Change `submit` and `failed`.",
            replay: Some("--swf TRACE --strategy {{name}}"),
        },
        StrategyKind::Scoring => Beginning {
            source: include_str!("../../templates/scoring/lib.rs.template"),
            policy: "a service is as healthy as few of its requests fail. Change `score`.",
            replay: None,
        },
    }
}

/// In the checkout that this program was built from. A program that was copied elsewhere may not find it there.
const CHECKOUT_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/guest");
/// The line of its manifest that tells it from other crates.
const SDK_NAME: &str = "name = \"switchyard-sdk\"";
/// Bytes of a manifest, far more than anybody writes.
const SDK_MANIFEST_BYTES_MAX: u64 = 1 << 20;

pub(super) fn run(verb: &New, global: &Global) -> Result<()> {
    let folder = verb.dir.clone().unwrap_or_else(|| PathBuf::from(verb.name.as_str()));
    refuse_occupied(&folder)?;
    let sdk = sdk(verb.sdk.as_deref(), Path::new(CHECKOUT_SDK))?;
    for (file, text) in project(verb.kind, &verb.name, &sdk) {
        files::write(&folder.join(file), text.as_bytes(), 0o644)?;
    }
    let result = json!({ "name": verb.name, "kind": verb.kind, "folder": folder });
    output::print(global.output, &result, |_| Ok(show(&folder)))
}

fn show(folder: &Path) -> String {
    let folder = folder.display();
    format!("{folder} is ready: `cd {folder}`, `cargo test`, `switchyard plugin build`")
}

/// A folder with something in it is somebody's work.
fn refuse_occupied(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: name another folder", folder.display());
    }
    Ok(())
}

/// The right side of the dependency on the SDK. It is not in a registry: a version would give a project that cannot be
/// built.
fn sdk(named: Option<&Path>, checkout: &Path) -> Result<String> {
    let path = named.unwrap_or(checkout);
    if !is_sdk(path) {
        match named {
            Some(named) => {
                bail!("--sdk {} is not the SDK: expected the folder sdk/guest of Switchyard", named.display())
            }
            None => bail!(
                "the SDK is no longer at {}, where this program was built: give the folder sdk/guest of a checkout of \
                 Switchyard with --sdk",
                checkout.display()
            ),
        }
    }
    let path = path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(format!("{{ path = {:?} }}", path.display().to_string()))
}

/// Any other crate's folder would give a project that cannot be built either.
fn is_sdk(folder: &Path) -> bool {
    let manifest = files::read(&folder.join("Cargo.toml"), SDK_MANIFEST_BYTES_MAX);
    manifest.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).lines().any(|line| line.trim() == SDK_NAME))
}

/// The files of a project with what they say.
fn project(kind: StrategyKind, name: &PluginName, sdk: &str) -> Vec<(&'static str, String)> {
    let Beginning { source, policy, replay } = beginning(kind);
    let replay = replay.map(|arguments| format!("    switchyard replay {arguments}\n")).unwrap_or_default();
    let fill = |template: &str| {
        template
            .replace("{{replay}}", &replay)
            .replace("{{policy}}", policy)
            .replace("{{kind}}", kind.as_str())
            .replace("{{name}}", name.as_str())
            .replace("{{type}}", &type_name(name))
            .replace("{{sdk}}", sdk)
    };
    FILES.into_iter().chain([("src/lib.rs", source)]).map(|(file, template)| (file, fill(template))).collect()
}

/// `my-cache` is `MyCache` in Rust.
fn type_name(name: &PluginName) -> String {
    name.as_str()
        .split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_template_is_filled() {
        let name = "my-own-cache2".parse().unwrap();
        assert_eq!(type_name(&name), "MyOwnCache2");
        for kind in StrategyKind::ALL {
            for (file, text) in project(kind, &name, "{ path = \"sdk\" }") {
                assert!(!text.contains("{{"), "{kind} {file}: {text}");
            }
        }
    }

    #[test]
    fn the_sdk_is_a_folder_that_is_there_or_an_answer_that_says_what_to_do() {
        let (here, nowhere) = (Path::new(CHECKOUT_SDK), tempfile::tempdir().unwrap());
        let path = format!("{{ path = {:?} }}", here.canonicalize().unwrap().display().to_string());
        assert_eq!(sdk(None, here).unwrap(), path);
        assert_eq!(sdk(Some(here), nowhere.path()).unwrap(), path);
        let refused = |named, checkout: &Path| sdk(named, checkout).unwrap_err().to_string();
        let nothing = refused(None, nowhere.path());
        assert!(nothing.contains("give the folder sdk/guest of a checkout of Switchyard with --sdk"), "{nothing}");
        for wrong in [nowhere.path(), Path::new(env!("CARGO_MANIFEST_DIR")), &here.join("../..")] {
            let wrong = refused(Some(wrong), here);
            assert!(wrong.starts_with("--sdk ") && wrong.contains("expected the folder sdk/guest"), "{wrong}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refuse_occupied(folder.path()).is_ok());
        assert!(refuse_occupied(&folder.path().join("new")).is_ok());
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(refuse_occupied(folder.path()).is_err());
        assert!(refuse_occupied(&folder.path().join("file")).is_err());
    }
}
