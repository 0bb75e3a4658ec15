//! `cargo xtask demo`: the main job on a recorded or generated workload.

use std::process::ExitCode;

use clap::Parser;
use switchyard_e2e::demo::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    demo::run(&Options::parse()).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
