//! Replays of recorded traces beside published figures.

use std::process::ExitCode;

use clap::Parser;
use switchyard_e2e::baselines::{self, Options};

fn main() -> ExitCode {
    baselines::run(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
