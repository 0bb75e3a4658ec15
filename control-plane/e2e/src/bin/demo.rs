//! `cargo xtask demo`: the main job on a recorded or generated workload.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use switchyard_e2e::demo::{self, Options};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    demo::run(&Options::parse()).await
}
