use anyhow::Result;

use crate::{
    build,
    command::{cargo, execute},
    crates, setup,
    workspace::Workspace,
};

/// Every Criterion benchmark of the workspace. What they said on a described machine is in `docs/results`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    build::release(workspace)?;
    for this in crates::read(workspace)? {
        for name in &this.benches {
            let mut bench = cargo(workspace, ["bench", "--locked", "--package", &this.name, "--bench", name]);
            bench.envs(build::places(workspace, "release"));
            execute(bench)?;
        }
    }
    Ok(())
}
