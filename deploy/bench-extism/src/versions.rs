use anyhow::{Context, Result};

/// What this program was built from.
const LOCK: &str = include_str!("../Cargo.lock");

/// Which libraries are compared. Each side brings its wasmtime.
pub(crate) fn describe() -> Result<String> {
    let [ours, theirs] = [wasmtime_of("switchyard-host")?, wasmtime_of("extism")?];
    let [extism, pdk] = [version("extism")?, version("extism-pdk")?];
    Ok(format!(
        "Switchyard's host with wasmtime {ours}; Extism {extism} with wasmtime {theirs}, plugin by extism-pdk {pdk}"
    ))
}

fn version(name: &str) -> Result<&'static str> {
    let found = package(name).and_then(|mut lines| lines.find_map(|line| line.strip_prefix("version = ")));
    found.map(|text| text.trim_matches('"')).with_context(|| format!("{name} is not in Cargo.lock"))
}

/// With two in the lock file, a dependency names its version.
fn wasmtime_of(name: &str) -> Result<&'static str> {
    let found = package(name).and_then(|mut lines| lines.find_map(|line| line.strip_prefix(" \"wasmtime ")));
    found.map(|text| text.trim_end_matches("\",")).with_context(|| format!("{name} has no wasmtime in Cargo.lock"))
}

fn package(name: &str) -> Option<std::str::Lines<'static>> {
    let heading = format!("name = \"{name}\"");
    LOCK.split("[[package]]").map(str::lines).find(|lines| lines.clone().any(|line| line == heading))
}
