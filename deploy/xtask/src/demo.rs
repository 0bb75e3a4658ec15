use anyhow::Result;

use crate::{
    build,
    command::{command, execute},
    setup,
    workspace::Workspace,
};

/// The main job; what it shows and when it fails is in `control-plane/e2e`.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::for_build(workspace)?;
    if !is_act_one_alone(arguments) {
        setup::for_second_act(workspace)?;
    }
    build::release(workspace, &["demo"])?;
    let mut demo = command(workspace, workspace.target().join("release/demo"), arguments);
    demo.envs(build::places(workspace, "release"));
    // A path among the arguments is the caller's: relative to where `cargo xtask` was typed.
    demo.current_dir(std::env::current_dir()?);
    execute(demo)
}

/// The first act starts nobody but `switchyard` itself.
fn is_act_one_alone(arguments: &[String]) -> bool {
    arguments.windows(2).any(|pair| pair == ["--act", "1"]) || arguments.iter().any(|argument| argument == "--act=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_act_alone_needs_no_python() {
        let check = |arguments: &[&str], expected| {
            let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            assert_eq!(is_act_one_alone(&arguments), expected, "{arguments:?}");
        };
        check(&[], false);
        check(&["--act", "2"], false);
        check(&["--seed", "1"], false);
        check(&["--keep", "--act", "1"], true);
        check(&["--act=1", "--json", "x"], true);
    }
}
