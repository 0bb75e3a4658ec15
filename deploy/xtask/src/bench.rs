use anyhow::Result;

use crate::{
    build,
    command::{cargo, execute},
    setup,
    workspace::Workspace,
};

/// Every Criterion benchmark of the workspace. What they said on a described machine is in `docs/results`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    let switchyard = build::release(workspace)?;
    let mut benches = cargo(workspace, ["bench", "--locked", "--workspace", "--benches"]);
    benches.env("SWITCHYARD_BIN", switchyard).env("SWITCHYARD_PLUGINS", workspace.target().join("plugins"));
    execute(benches)
}
