use crate::crates::{Crate, Dependency};

/// Which folders a crate of a folder may depend on. `control-plane/e2e` looks at the whole, and only it.
const DIRECTIONS: [(&str, &[&str]); 5] = [
    ("sdk", &["sdk"]),
    ("plugins", &["sdk"]),
    ("runtime", &["runtime", "sdk"]),
    ("control-plane", &["control-plane", "runtime", "sdk"]),
    ("deploy", &[]),
];
const WHOLE: &str = "control-plane/e2e";

/// Libraries whose types stay behind one door.
const DOORS: [(&str, &[&str]); 3] = [
    ("wasmtime", &["runtime/host"]),
    // Two files of their own: the store's small values, and the tasks under load.
    ("redb", &["runtime/store", "runtime/tasks"]),
    ("etcd-client", &["runtime/store"]),
];

/// A sentence for every dependency that should not be.
pub(super) fn check(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(|from| from.dependencies.iter().filter_map(move |to| finding(crates, from, to))).collect()
}

fn finding(crates: &[Crate], from: &Crate, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    let shut = |(library, doors): &&(&str, &[&str])| *library == to && !doors.contains(&from.folder.as_str());
    if let Some((_, doors)) = DOORS.iter().find(shut) {
        return Some(format!("{}: depends on {to}, which only {} may name", from.folder, doors.join(" and ")));
    }
    let to = crates.iter().find(|other| other.name == to)?;
    if from.folder == WHOLE {
        return None;
    }
    if to.folder == WHOLE {
        return Some(format!("{}: depends on {WHOLE}, which looks at everything and is seen by nothing", from.folder));
    }
    // A test of a swap needs two strategies.
    if dependency.development && from.folder.starts_with("plugins/") && to.folder.starts_with("plugins/") {
        return None;
    }
    let top = |folder: &str| folder.split('/').next().unwrap_or_default().to_owned();
    let allowed = DIRECTIONS.iter().find(|(folder, _)| *folder == top(&from.folder)).map(|(_, allowed)| *allowed);
    match allowed {
        None => Some(format!("{}: is in a folder that the layout does not have", from.folder)),
        Some(allowed) if allowed.contains(&top(&to.folder).as_str()) => None,
        Some(_) => Some(format!(
            "{}: depends on {}, against control-plane -> runtime -> sdk <- plugins",
            from.folder, to.folder
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(dependencies: &[(&str, &str)]) -> Vec<Crate> {
        let folders =
            ["sdk/types", "plugins/lru", "runtime/host", "control-plane/cli", "control-plane/e2e", "extra/odd"];
        let of = |folder: &str| {
            let to = dependencies.iter().filter(|(from, _)| *from == folder);
            to.map(|(_, to)| Dependency { name: (*to).to_owned(), development: false }).collect()
        };
        let new = |folder: &str| Crate {
            name: folder.to_owned(),
            folder: folder.to_owned(),
            manifest: Default::default(),
            roots: Vec::new(),
            benches: Vec::new(),
            dependencies: of(folder),
        };
        folders.into_iter().map(new).collect()
    }

    fn check_one(from: &str, to: &str, expected: Option<&str>) {
        let findings = check(&workspace(&[(from, to)]));
        match expected {
            None => assert!(findings.is_empty(), "{from} -> {to}: {findings:?}"),
            Some(text) => assert!(findings.iter().any(|f| f.contains(text)), "{from} -> {to}: {findings:?}"),
        }
    }

    #[test]
    fn dependencies_point_one_way() {
        check_one("control-plane/cli", "runtime/host", None);
        check_one("runtime/host", "sdk/types", None);
        check_one("plugins/lru", "sdk/types", None);
        check_one("control-plane/e2e", "plugins/lru", None);
        check_one("sdk/types", "runtime/host", Some("sdk/types: depends on runtime/host, against"));
        check_one("runtime/host", "control-plane/cli", Some("against"));
        check_one("plugins/lru", "runtime/host", Some("against"));
        check_one("control-plane/cli", "plugins/lru", Some("against"));
        check_one("control-plane/cli", "control-plane/e2e", Some("seen by nothing"));
        check_one("extra/odd", "sdk/types", Some("does not have"));
    }

    #[test]
    fn libraries_stay_behind_their_door() {
        check_one("runtime/host", "wasmtime", None);
        check_one("control-plane/e2e", "wasmtime", Some("only runtime/host may name"));
        check_one("runtime/host", "redb", Some("only runtime/store and runtime/tasks may name"));
    }
}
