use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{
    build,
    command::{cargo, command, execute},
    crates, setup,
    workspace::Workspace,
};

/// Measures beside Redis.
const RESP_COST: &str = "resp_cost";
/// Measures beside HAProxy and nginx.
const PROXY_COST: &str = "proxy_cost";
/// Measures beside beanstalkd.
const TASKS_COST: &str = "tasks_cost";
/// Compares with published figures, on traces that are no part of the checkout.
const BASELINES: &str = "baselines";

/// Every Criterion benchmark of the workspace, then the comparisons. What they said on a described machine is in `docs/results`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let data = data(arguments)?;
    setup::for_bench(workspace)?;
    build::release(workspace, &[RESP_COST, PROXY_COST, TASKS_COST, BASELINES])?;
    for this in crates::read(workspace)? {
        for name in &this.benches {
            let mut bench = cargo(workspace, ["bench", "--locked", "--workspace", "--bench", name]);
            bench.envs(build::places(workspace, "release"));
            execute(bench)?;
        }
    }
    program(workspace, RESP_COST, [])?;
    program(workspace, PROXY_COST, [])?;
    program(workspace, TASKS_COST, ["--durability".into(), "process".into()])?;
    program(workspace, TASKS_COST, ["--durability".into(), "disk".into()])?;
    match data {
        Some(data) => program(workspace, BASELINES, ["--data".into(), data])?,
        None => println!("left out: {BASELINES}, because no traces were given: cargo xtask bench --data DIR"),
    }
    Ok(())
}

/// The folder of traces, if one was given: relative to where `cargo xtask` was typed.
fn data(arguments: &[String]) -> Result<Option<PathBuf>> {
    match arguments {
        [] => Ok(None),
        [flag, folder] if flag == "--data" => Ok(Some(std::env::current_dir()?.join(folder))),
        _ => bail!("unexpected arguments {arguments:?} after \"bench\": expected none, or --data DIR"),
    }
}

fn program<const N: usize>(workspace: &Workspace, name: &str, arguments: [PathBuf; N]) -> Result<()> {
    let mut program = command(workspace, workspace.target().join("release").join(name), arguments);
    program.envs(build::places(workspace, "release"));
    execute(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_given_by_their_folder_or_not_at_all() {
        let check =
            |arguments: &[&str]| data(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&[]).unwrap(), None);
        assert_eq!(check(&["--data", "/traces"]).unwrap(), Some("/traces".into()));
        assert!(check(&["--data", "traces"]).unwrap().unwrap().is_absolute());
        for wrong in [&["--data"][..], &["traces"], &["--data", "a", "b"]] {
            assert!(check(wrong).unwrap_err().to_string().contains("--data DIR"), "{wrong:?}");
        }
    }
}
