use anyhow::{Result, ensure};

use crate::{
    build,
    command::{cargo, execute, output},
    setup,
    workspace::Workspace,
};

/// Tests that have a full scale: they read these variables.
const FULL_SCALE: [(&str, &str); 2] = [("SWITCHYARD_SOAK", "1"), ("SWITCHYARD_SEEDS", "10000")];
/// Which tests those are: faults of etcd, the fleet, the simulated protocol, and what a swap leaves behind.
const TESTS: &str = "binary(etcd_faults) | binary(fleet) | binary(simulation) | test(many_swaps_of_each_kind) | \
                     test(a_thousand_swaps) | test(killed)";

/// The fault tests at full scale, one after the other, so that none disturbs another's times. What they measured is printed as
/// lines of JSON; `docs/results/faults.md` holds what they said on a described machine.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    build::development(workspace)?;
    let nextest = output(cargo(workspace, ["nextest", "--version"])).is_ok();
    ensure!(nextest, "cargo-nextest is missing: run `cargo install --locked cargo-nextest`");
    let mut tests =
        cargo(workspace, ["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--no-capture", "-E", TESTS]);
    tests.envs(build::places(workspace, "debug")).envs(FULL_SCALE);
    execute(tests)
}
