use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    build,
    command::{cargo, output},
    setup,
    workspace::Workspace,
};

/// Tests that have a full scale: they read these variables.
const FULL_SCALE: [(&str, &str); 2] = [("SWITCHYARD_SOAK", "1"), ("SWITCHYARD_SEEDS", "10000")];
/// Which tests those are: faults of etcd and of the fleet, the simulated protocol, swaps without end.
const TESTS: &str = "binary(etcd_faults) | binary(fleet_faults) | binary(simulation) | binary(swap_soak)";
/// Where the figures go: between these two lines.
const PAGE: &str = "docs/results/faults.md";
const BEGIN: &str = "<!-- what `cargo xtask soak` measured: begin -->\n";
const END: &str = "<!-- end -->\n";

/// The fault tests at full scale against the released program, one after the other, so that none disturbs another's times. What
/// they measured goes into the page of results.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    build::development(workspace)?;
    build::release(workspace, &[])?;
    let nextest = output(cargo(workspace, ["nextest", "--version"])).is_ok();
    ensure!(nextest, "cargo-nextest is missing: run `cargo install --locked cargo-nextest`");
    let (lines, passed) = tests(workspace)?;
    let table = table(&lines);
    println!("\n{table}");
    ensure!(passed, "not every fault was survived: {PAGE} stays as it was");
    write(workspace, &table)
}

/// What they printed as JSON, and whether all passed.
fn tests(workspace: &Workspace) -> Result<(Vec<Value>, bool)> {
    let arguments = ["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--no-capture", "-E", TESTS];
    let mut tests = cargo(workspace, arguments);
    tests.envs(build::places(workspace, "release")).envs(FULL_SCALE).stdout(Stdio::piped());
    let mut child = tests.spawn().context("cargo nextest cannot be started")?;
    let said = child.stdout.take().context("it has an output")?;
    let mut measured = Vec::new();
    for line in BufReader::new(said).lines() {
        let line = line?;
        println!("{line}");
        // The harness may have begun the line with the name of the test.
        let json = line.find("{\"").map(|at| line.split_at(at).1);
        measured.extend(
            json.and_then(|json| serde_json::from_str(json).ok()).filter(|line: &Value| !line["fault"].is_null()),
        );
    }
    Ok((measured, child.wait()?.success()))
}

/// A row for each thing that was measured: how often, and between what.
fn table(lines: &[Value]) -> String {
    let mut rows: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for line in lines {
        rows.entry((text(&line["fault"]), text(&line["what"]))).or_default().push(line);
    }
    let mut table = "| fault | what | times | measured |\n|---|---|---|---|\n".to_owned();
    for ((fault, what), lines) in rows {
        let times = lines.len();
        table.push_str(&format!("| {fault} | {what} | {times} | {} |\n", measured(&lines)));
    }
    table
}

/// One number that was measured several times as least, median and most; anything else as it is.
fn measured(lines: &[&Value]) -> String {
    let mut ms: Vec<u64> = lines.iter().filter_map(|line| line["measured_ms"].as_u64()).collect();
    ms.sort_unstable();
    if let (Some(least), Some(median), Some(most)) = (ms.first(), ms.get(ms.len() / 2), ms.last()) {
        return format!("{least} / {median} / {most} ms");
    }
    let told = |line: &&Value| {
        let fields =
            line.as_object().into_iter().flatten().filter(|(key, _)| !["fault", "what"].contains(&key.as_str()));
        fields.map(|(key, value)| format!("{} {}", key.replace('_', " "), text(value))).collect::<Vec<_>>().join(", ")
    };
    lines.iter().map(told).collect::<Vec<_>>().join("; ")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn write(workspace: &Workspace, table: &str) -> Result<()> {
    let path = workspace.root().join(PAGE);
    let page = fs::read_to_string(&path)?;
    let (Some((head, rest)), true) = (page.split_once(BEGIN), page.contains(END)) else {
        bail!("{PAGE} has no place for the figures");
    };
    let tail = rest.split_once(END).map_or("", |(_, tail)| tail);
    Ok(fs::write(path, format!("{head}{BEGIN}{table}{END}{tail}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_measured_often_is_told_by_its_ends() {
        let line = |ms: u64| json!({"fault": "F2", "what": "a new leader", "measured_ms": ms});
        let seeds = json!({"fault": "F36", "what": "seeds", "count": 7, "broken": 0});
        let table = table(&[line(30), line(10), line(20), seeds]);
        assert!(table.contains("| F2 | a new leader | 3 | 10 / 20 / 30 ms |"), "{table}");
        assert!(table.contains("| F36 | seeds | 1 | broken 0, count 7 |"), "{table}");
    }
}
