//! Set-up, tests, demo, benchmarks and tidiness checks of this repository: `cargo xtask`.
//!
//! What this is not: part of the product. Nothing here is linked by `switchyard`, and what a user of a release needs is
//! in the `switchyard` command itself.
//!
//! Start reading at `main`, then `setup/mod.rs`: every other task runs it first.

#![allow(clippy::print_stdout, reason = "a task's result is what it prints")]

mod bench;
mod build;
mod command;
mod crates;
mod demo;
mod setup;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask TASK

  setup                 what is missing: protoc, the WebAssembly target, etcd, Redis, a Python environment
  test                  set-up, build, formatting, tidy, clippy, all tests
  tidy                  dependency direction and crate pages; sizes of files and functions
  demo [ARGUMENTS]      set-up, release build, the two acts (--act N, --trace FILE, --json FILE, --keep)
  bench [--data DIR]    set-up, release build, every benchmark; with a folder of traces, published figures too
  soak                  set-up, build, the fault tests at full scale: hours on a small machine
  plugins               the strategies of plugins/ as components in target/plugins";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let workspace = Workspace::find()?;
    let Some((task, rest)) = arguments.split_first() else { bail!("no task given\n\n{USAGE}") };
    if !["demo", "bench"].contains(&task.as_str())
        && let Some(unexpected) = rest.first()
    {
        bail!("unexpected argument {unexpected:?} after {task:?}\n\n{USAGE}");
    }
    match task.as_str() {
        "setup" => setup::run(&workspace),
        "test" => test::run(&workspace),
        "tidy" => tidy::run(&workspace),
        "demo" => demo::run(&workspace, rest),
        "bench" => bench::run(&workspace, rest),
        "soak" => soak::run(&workspace),
        "plugins" => {
            setup::for_build(&workspace)?;
            build::development(&workspace)
        }
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        unknown => bail!("there is no task {unknown:?}\n\n{USAGE}"),
    }
}
