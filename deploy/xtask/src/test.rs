use std::time::Instant;

use anyhow::Result;

use crate::{
    build,
    command::{cargo, execute, output},
    setup, tidy,
    workspace::Workspace,
};

type Step = fn(&Workspace) -> Result<()>;

/// In this order: what fails fast comes first, once the things that it needs are built.
const STEPS: [(&str, Step); 7] = [
    ("set-up", setup::run),
    ("formatting", formatting),
    ("build", build::development),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("doc tests", doc_tests),
    ("tests", tests),
];

/// Everything that must hold before a change is taken; ends with what ran.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut done = Vec::new();
    for (name, step) in STEPS {
        timed(workspace, name, step, &mut done)?;
    }
    println!("\n{}", done.join("\n"));
    Ok(())
}

fn timed(workspace: &Workspace, name: &'static str, step: Step, done: &mut Vec<String>) -> Result<()> {
    let start = Instant::now();
    step(workspace)?;
    done.push(format!("{name:<12} passed in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

fn formatting(workspace: &Workspace) -> Result<()> {
    execute(cargo(workspace, ["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    execute(cargo(workspace, ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

/// `cargo nextest` where it is installed: it runs the tests of all crates side by side. The tests are the same.
fn tests(workspace: &Workspace) -> Result<()> {
    let nextest = output(cargo(workspace, ["nextest", "--version"])).is_ok();
    let mut tests = if nextest {
        cargo(workspace, ["nextest", "run", "--locked", "--workspace", "--no-fail-fast"])
    } else {
        cargo(workspace, ["test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--examples"])
    };
    tests.envs(build::places(workspace, "debug"));
    execute(tests)
}

fn doc_tests(workspace: &Workspace) -> Result<()> {
    execute(cargo(workspace, ["test", "--locked", "--workspace", "--doc"]))
}
