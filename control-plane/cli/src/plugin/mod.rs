//! What authors do: write, build, check and publish a plugin.

mod build;
mod check;
mod new;
mod push;

use anyhow::Result;
use clap::Subcommand;

use crate::arguments::Global;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Create a project with a working strategy and a passing test
    New(new::New),
    /// Compile a project and encode it as a component; the same sources give the same digest
    Build(build::Build),
    /// Put a component through every stage that a server puts it through
    Check(check::Check),
    /// Publish a component
    Push(push::Push),
}

pub(crate) fn run(verb: &PluginVerb, global: &Global) -> Result<()> {
    match verb {
        PluginVerb::New(verb) => new::run(verb, global),
        PluginVerb::Build(verb) => build::run(verb, global),
        PluginVerb::Check(verb) => check::run(verb, global),
        PluginVerb::Push(verb) => push::run(verb, global),
    }
}

/// Bytes of a component; the server takes no more.
pub(crate) const COMPONENT_BYTES_MAX: u64 = 64 << 20;
