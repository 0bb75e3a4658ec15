use anyhow::Result;

use crate::{
    build,
    command::{cargo, command, execute},
    crates, setup,
    workspace::Workspace,
};

/// Programs that measure beside a peer or a published figure.
const PROGRAMS: [&str; 2] = ["resp_cost", "baselines"];

/// Every Criterion benchmark of the workspace, then the comparisons. What they said on a described machine is in `docs/results`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    build::release(workspace)?;
    for this in crates::read(workspace)? {
        for name in &this.benches {
            let mut bench = cargo(workspace, ["bench", "--locked", "--workspace", "--bench", name]);
            bench.envs(build::places(workspace, "release"));
            execute(bench)?;
        }
    }
    for name in PROGRAMS {
        let mut program = command(workspace, workspace.target().join("release").join(name), [""; 0]);
        program.envs(build::places(workspace, "release"));
        execute(program)?;
    }
    Ok(())
}
