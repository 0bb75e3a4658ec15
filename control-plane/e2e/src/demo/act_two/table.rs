use super::report::{Phase, Report};
use crate::demo::table::table;

/// Prints what came of it.
#[expect(clippy::print_stdout, reason = "the table is the demo's result")]
pub(in crate::demo) fn show(report: &Report) {
    println!("\na video API of three processes behind the gateway, its work as tasks");
    println!(
        "{} requests, {} failed, {} tries repeated; {} tasks pushed, {} done, {} lost, {} run twice\n",
        report.requests,
        report.failed,
        report.retries,
        report.tasks_pushed,
        report.tasks_done,
        report.tasks_lost,
        report.duplicates
    );
    if let Some(error) = &report.first_error {
        println!("first error: {error}\n");
    }
    println!("{}\n", phases(&report.phases));
    let head = ["swapped while", "kind", "to", "active after ms", "flip ms"];
    println!("{}\n", table(&head, 3, report.swaps.iter().map(super::strategies::Swap::row)));
    println!("{}\n{}\n{}", alert(report), score(report), back(report));
    println!("{}", if report.is_good() { "all as it should be" } else { "NOT as it should be" });
}

fn phases(phases: &[Phase]) -> comfy_table::Table {
    let row = |phase: &Phase| {
        let mut row = vec![phase.phase.to_owned(), phase.requests.to_string(), phase.failed.to_string()];
        row.push(format!("{:.0}", phase.mean_ms));
        row.extend([phase.p50_ms, phase.p99_ms, phase.max_ms].map(|ms| ms.to_string()));
        row
    };
    table(&["phase", "requests", "failed", "mean ms", "p50 ms", "p99 ms", "max ms"], 1, phases.iter().map(row))
}

fn alert(report: &Report) -> String {
    let after = |seconds: Option<f64>| seconds.map_or("never".to_owned(), |seconds| format!("after {seconds:.1} s"));
    let kept = if report.alert_kept_at_swap { "fired on" } else { "did not fire on" };
    format!(
        "ResponseSlow fired {} ({}), {kept} when its rules were swapped, resolved {} of other routing",
        after(report.alert_fired_after_s),
        report.alert_reason.as_deref().unwrap_or("no reason"),
        after(report.alert_resolved_after_s)
    )
}

fn back(report: &Report) -> String {
    match report.killed_served_again_after_s {
        Some(seconds) => format!("the killed process, started again, was used again after {seconds:.1} s"),
        None => "the killed process, started again, was not used again".to_owned(),
    }
}

fn score(report: &Report) -> String {
    let shown = |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{value:.0}"));
    format!(
        "score {} before, {} at its lowest ({}), {} after",
        shown(report.score_before),
        shown(report.score_lowest),
        report.score_reason.as_deref().unwrap_or("no reason"),
        shown(report.score_after)
    )
}
