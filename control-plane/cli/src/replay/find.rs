use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::{files, plugin::COMPONENT_BYTES_MAX};

/// The name of what decides without a plugin.
pub(super) const FALLBACK: &str = "fallback";

/// The bytes of a component: a file, else a name where `plugin build` puts components.
pub(super) fn component(name: &str) -> Result<Vec<u8>> {
    if name.ends_with(".wasm") || name.contains('/') {
        return files::read(Path::new(name), COMPONENT_BYTES_MAX);
    }
    let places = places(env::var_os("SWITCHYARD_PLUGINS").map(PathBuf::from), env::current_dir().ok().as_deref());
    let file = format!("{name}.wasm");
    match places.iter().map(|place| place.join(&file)).find(|path| path.is_file()) {
        Some(path) => files::read(&path, COMPONENT_BYTES_MAX),
        None => bail!(
            "there is no {file} in {}: build it with `switchyard plugin build`, or give its path",
            places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or ")
        ),
    }
}

/// The folder that the environment names, else `target/plugins` here and in every folder above.
fn places(named: Option<PathBuf>, here: Option<&Path>) -> Vec<PathBuf> {
    match (named, here) {
        (Some(named), _) => vec![named],
        (None, Some(here)) => {
            let all = here.ancestors().map(|folder| folder.join("target/plugins"));
            let (found, missing): (Vec<_>, Vec<_>) = all.partition(|place| place.is_dir());
            if found.is_empty() { missing.into_iter().take(1).collect() } else { found }
        }
        (None, None) => vec![PathBuf::from("target/plugins")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_here_and_above() {
        let root = tempfile::tempdir().unwrap();
        let (deep, plugins) = (root.path().join("a/b"), root.path().join("target/plugins"));
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(places(None, Some(&deep)).first(), Some(&deep.join("target/plugins")));
        std::fs::create_dir_all(&plugins).unwrap();
        assert_eq!(places(None, Some(&deep)).first(), Some(&plugins));
        assert_eq!(places(Some("/elsewhere".into()), Some(&deep)), [PathBuf::from("/elsewhere")]);
    }
}
