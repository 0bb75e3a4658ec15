//! What the compiler does not check: which crate may know which, that every crate opens with its page, and how large
//! files and functions have become.

mod dependencies;
mod pages;
mod sizes;

use anyhow::{Result, bail};

use crate::{crates, workspace::Workspace};

/// Fails on a finding; sizes are reported only, because splitting a file to satisfy a number makes nothing better.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let crates = crates::read(workspace)?;
    let mut findings = dependencies::check(&crates);
    findings.extend(pages::check(&crates)?);
    println!("{}", sizes::measure(workspace)?);
    if !findings.is_empty() {
        bail!("tidy: {} findings\n{}", findings.len(), findings.join("\n"));
    }
    println!("tidy: {} crates, no finding", crates.len());
    Ok(())
}
