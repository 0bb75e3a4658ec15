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
    let named = env::var_os("SWITCHYARD_PLUGINS").map(PathBuf::from);
    let here = env::current_dir().unwrap_or_default();
    let file = format!("{name}.wasm");
    match places(named.as_deref(), &here).iter().map(|place| place.join(&file)).find(|path| path.is_file()) {
        Some(path) => files::read(&path, COMPONENT_BYTES_MAX),
        None => bail!("{}", missing(&file, named.as_deref(), &here)),
    }
}

/// The folder that the environment names, else `target/plugins` here and in every folder above.
fn places(named: Option<&Path>, here: &Path) -> Vec<PathBuf> {
    match named {
        Some(named) => vec![named.to_path_buf()],
        None => here.ancestors().map(|folder| folder.join("target/plugins")).collect(),
    }
}

/// Says where it was looked for. A server's plugins are not among it: they lie under their digests, in a store that a
/// running `dev` holds.
fn missing(file: &str, named: Option<&Path>, here: &Path) -> String {
    let looked = match named {
        Some(named) => format!("{} (from SWITCHYARD_PLUGINS)", named.display()),
        None => format!("target/plugins of {} or of a folder above it", here.display()),
    };
    format!(
        "there is no {file} in {looked}, and published plugins are not looked at: build it with `switchyard plugin build`, \
         or give its file"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_here_and_above() {
        let here = Path::new("/a/b");
        let places = |named| places(named, here).iter().map(|place| place.display().to_string()).collect::<Vec<_>>();
        assert_eq!(places(None), ["/a/b/target/plugins", "/a/target/plugins", "/target/plugins"]);
        assert_eq!(places(Some(Path::new("/elsewhere"))), ["/elsewhere"]);
    }

    #[test]
    fn what_is_not_found_is_told_with_the_places() {
        let check = |named, expected: &str| {
            let text = missing("x.wasm", named, Path::new("/a/b"));
            assert!(text.starts_with(&format!("there is no x.wasm in {expected}, and")), "{text}");
        };
        check(None, "target/plugins of /a/b or of a folder above it");
        check(Some(Path::new("/elsewhere")), "/elsewhere (from SWITCHYARD_PLUGINS)");
    }
}
