//! Replays of recorded traces beside published figures.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use switchyard_e2e::baselines::{self, Options};

fn main() -> Result<ExitCode> {
    baselines::run(&Options::parse())
}
