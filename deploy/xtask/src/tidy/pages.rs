use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::crates::Crate;

/// A sentence for every crate that does not open with its page or has not taken the workspace's lints.
pub(super) fn check(crates: &[Crate]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for this in crates {
        for root in &this.roots {
            let source = fs::read_to_string(root).with_context(|| format!("{} cannot be read", root.display()))?;
            if !has_page(&source, lines_min(root)) {
                findings.push(format!("{}: {} does not open with a `//!` page", this.folder, file_name(root)));
            }
        }
        let manifest = fs::read_to_string(&this.manifest)?;
        if !takes_lints(&manifest) {
            findings.push(format!("{}: Cargo.toml does not have `[lints] workspace = true`", this.folder));
        }
    }
    Ok(findings)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One sentence is no page: a crate says what this is, what it is not, and where to start. A second binary beside it
/// says what it does.
fn lines_min(root: &Path) -> usize {
    if ["lib.rs", "main.rs"].contains(&file_name(root).as_str()) { 3 } else { 1 }
}

fn has_page(source: &str, lines_min: usize) -> bool {
    source.lines().take_while(|line| line.starts_with("//!")).count() >= lines_min
}

fn takes_lints(manifest: &str) -> bool {
    let mut section = "";
    manifest.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            section = line;
        }
        section == "[lints]" && line.replace(' ', "") == "workspace=true"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_first_and_is_more_than_a_line() {
        assert!(has_page("//! What.\n//!\n//! Not.\nfn main() {}\n", 3));
        assert!(!has_page("//! What.\nfn main() {}\n", 3));
        assert!(!has_page("use std::fs;\n//! What.\n//!\n//! Not.\n", 1));
    }

    #[test]
    fn lints_are_taken_in_their_own_section() {
        assert!(takes_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_lints("[package]\nversion.workspace = true\n"));
        assert!(!takes_lints("[lints]\n[other]\nworkspace = true\n"));
    }
}
