use std::io::Write as _;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

use crate::{cost::Cost, life::Step};

/// The row that others are compared with.
const OURS: &str = "Switchyard's host";

/// What a call costs whom.
///
/// The median is what to compare: Extism's thread beside the caller's is cheapest where a busy machine lets it run rarely,
/// so its lowest round says as much about the neighbours as its highest.
pub(crate) fn decisions(costs: &[(&'static str, Vec<Cost>)]) -> String {
    let ours = costs.iter().find(|(name, _)| *name == OURS).map_or(f64::NAN, |(_, costs)| Cost::median(costs).cpu);
    let mut table = Table::new();
    let header =
        ["one decision", "CPU, µs: median", "lowest", "highest", "of the caller's thread", "wall", "CPU beside ours"];
    table.load_style(ASCII_MARKDOWN).set_header(header);
    for (name, costs) in costs {
        let median = Cost::median(costs);
        let [lowest, highest] = [Cost::lowest(costs), Cost::highest(costs)].map(|cost| cost.cpu);
        let figures = [median.cpu, lowest, highest, median.own_cpu, median.wall].map(|figure| format!("{figure:.2}"));
        let row = [(*name).to_owned()].into_iter().chain(figures);
        table.add_row(row.chain([format!("{:.1} ×", median.cpu / ours)]));
    }
    table.to_string()
}

/// What the rest of a plugin's life costs.
pub(crate) fn life(steps: &[Step]) -> String {
    let mut table = Table::new();
    let header = ["step", "Switchyard, CPU", "wall", "Extism, CPU", "wall"];
    table.load_style(ASCII_MARKDOWN).set_header(header);
    for step in steps {
        let figures = [step.ours.cpu, step.ours.wall, step.extism.cpu, step.extism.wall].map(time);
        table.add_row([step.name.to_owned()].into_iter().chain(figures));
    }
    table.to_string()
}

fn time(us: f64) -> String {
    if us < 1_000.0 { format!("{us:.0} µs") } else { format!("{:.2} ms", us / 1_000.0) }
}

/// To standard output. A reader that has gone away wants no more.
pub(crate) fn emit(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}\n");
}
