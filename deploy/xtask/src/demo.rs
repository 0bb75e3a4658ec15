use anyhow::Result;

use crate::{
    build,
    command::{command, execute},
    setup,
    workspace::Workspace,
};

/// The main job; what it shows and when it fails is in `control-plane/e2e`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::for_demo(workspace)?;
    build::release(workspace, &["demo"])?;
    let mut demo = command(workspace, workspace.target().join("release/demo"), arguments);
    demo.envs(build::places(workspace, "release"));
    // A path among the arguments is the caller's: relative to where `cargo xtask` was typed.
    demo.current_dir(std::env::current_dir()?);
    execute(demo)
}
