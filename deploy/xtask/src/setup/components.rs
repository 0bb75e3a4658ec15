use anyhow::{Context, Result};

use crate::{
    command::{cargo, command, execute, output},
    workspace::Workspace,
};

/// Formatting and clippy are part of the tests; `rust-toolchain.toml` names them, and a rustup that does not install by
/// itself leaves them out.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    for component in ["clippy", "fmt"] {
        if output(cargo(workspace, [component, "--version"])).is_ok() {
            continue;
        }
        let component = if component == "fmt" { "rustfmt" } else { component };
        execute(command(workspace, "rustup", ["component", "add", component]))
            .with_context(|| format!("{component} is missing: run `rustup component add {component}`"))?;
    }
    Ok(())
}
