use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use crate::workload::Workload;

/// Seed of the workload that is generated when no trace is given.
const SEED: u64 = 7;

/// Starts `switchyard dev`, swaps its caching strategy under load, and pushes plugins that must be refused.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", max_term_width = 110)]
pub struct Options {
    /// A recorded trace, in any format of `switchyard replay`; default: a generated workload
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Seed of the generated workload
    #[arg(long, default_value_t = SEED, conflicts_with = "trace")]
    pub seed: u64,
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Leaves everything running at the end and prints the addresses
    #[arg(long)]
    pub keep: bool,
}

impl Options {
    pub(super) fn workload(&self) -> Result<Workload> {
        match &self.trace {
            Some(trace) => Workload::recorded(trace),
            None => Ok(Workload::generated(self.seed)),
        }
    }
}
