use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, value_parser};

use crate::workload::Workload;

/// Seed of the workload that is generated when no trace is given.
const SEED: u64 = 7;

/// Starts `switchyard dev` and plays two acts: its caching strategy is swapped under load and plugins that must be refused are
/// pushed; then an API behind its gateway loses a backend and has a slow one, while strategies of the other kinds are swapped.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", max_term_width = 110)]
pub struct Options {
    /// Plays only this act: 1, the cache; 2, the gateway, tasks, alerts and scores
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=2))]
    pub act: Option<u8>,
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
    pub(super) fn plays(&self, act: u8) -> bool {
        self.act.is_none_or(|only| only == act)
    }

    pub(super) fn workload(&self) -> Result<Workload> {
        match &self.trace {
            Some(trace) => Workload::recorded(trace),
            None => Ok(Workload::generated(self.seed)),
        }
    }
}
