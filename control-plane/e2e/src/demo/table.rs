use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use switchyard_types::format_bytes;

use super::{
    phases::{Goals, Phase},
    refusal::Refusal,
    report::Report,
};
use crate::latency::{Quantiles, Window};

/// Prints what came of it.
#[expect(clippy::print_stdout, reason = "the table is the demo's result")]
pub(super) fn show(report: &Report) {
    println!("{}", report.workload);
    println!(
        "{} requests, {} errors, {} different keys, a cache of {} entries in {} shards, 8 connections, {:.1} s\n",
        report.requests, report.errors, report.unique_keys, report.budget_entries, report.shards, report.seconds
    );
    if let Some(error) = &report.first_error {
        println!("first error: {error}\n");
    }
    println!("{}\n", phases(&report.phases));
    println!("{}\n", refusals(&report.refused));
    println!("{}\n", latencies(&report.latency));
    println!(
        "{} decisions by strategies, {} left to the fallback, longest flip {:.3} ms, resident memory {} (at most {})",
        report.decisions,
        report.fallbacks,
        report.flip_ms_max,
        format_bytes(report.resident_bytes),
        format_bytes(report.resident_bytes_max)
    );
    println!("{}", if report.is_good() { "all as it should be" } else { "NOT as it should be" });
}

fn phases(phases: &[Phase]) -> Table {
    let head = [
        "phase",
        "strategy",
        "requests",
        "hit ratio",
        "LRU alone",
        "≥ 2 points above",
        "first 2 %",
        "LRU alone",
        "not below",
        "flip ms",
    ];
    let row = |(number, phase): (usize, &Phase)| {
        let verdict = |goal: fn(&Goals) -> bool| match phase.goals.as_ref().map(goal) {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        let percent = |ratio: f64| format!("{:.2} %", ratio * 100.0);
        vec![
            (number + 1).to_string(),
            phase.strategy.clone(),
            phase.ratios.requests.to_string(),
            percent(phase.ratios.hit_ratio),
            percent(phase.ratios.hit_ratio_lru),
            verdict(|goals| goals.two_points_above_lru).to_owned(),
            percent(phase.first_2_percent.hit_ratio),
            percent(phase.first_2_percent.hit_ratio_lru),
            verdict(|goals| goals.first_2_percent_not_below_lru).to_owned(),
            format!("{:.3}", phase.flip_ms),
        ]
    };
    table(&head, 2, phases.iter().enumerate().map(row))
}

fn refusals(refusals: &[Refusal]) -> Table {
    let row = |refusal: &Refusal| {
        let stage = refusal.stage.map_or("not refused".to_owned(), |stage| stage.to_string());
        let reason: String = refusal.reason.chars().filter(|c| !c.is_control()).collect();
        vec![refusal.name.to_owned(), stage, reason]
    };
    table(&["refused", "at stage", "because"], 3, refusals.iter().map(row))
}

fn latencies(latencies: &[Quantiles]) -> Table {
    let row = |quantiles: &Quantiles| {
        let window = match quantiles.window {
            Window::Steady => "in steady state",
            Window::Swap => "in the swap seconds",
            Window::Refusal => "while refusing",
        };
        let mut row = vec![window.to_owned(), quantiles.operations.to_string()];
        row.extend([quantiles.p50_us, quantiles.p99_us, quantiles.max_us].map(|us| format!("{us:.0}")));
        row
    };
    table(&["latency", "operations", "p50 µs", "p99 µs", "max µs"], 1, latencies.iter().map(row))
}

/// Columns from `numbers` on are aligned to the right.
pub(super) fn table(head: &[&str], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(head).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::phases::Ratios;

    #[test]
    fn goals_stand_in_the_table_as_met_or_not() {
        let ratios = |requests, hit_ratio, hit_ratio_lru| Ratios { requests, hit_ratio, hit_ratio_lru };
        let phase = |strategy: &str, whole, first_2_percent, goals| Phase {
            strategy: strategy.to_owned(),
            from: 0,
            ratios: whole,
            first_2_percent,
            goals,
            flip_ms: 0.0015,
        };
        let goals = |two_points_above_lru, first_2_percent_not_below_lru| {
            Some(Goals { two_points_above_lru, first_2_percent_not_below_lru })
        };
        let text = phases(&[
            phase("caching-lru", ratios(235_202, 0.3911, 0.3908), ratios(4_705, 0.3583, 0.3579), None),
            phase("caching-s3fifo", ratios(225_209, 0.4779, 0.4369), ratios(4_505, 0.6120, 0.6033), goals(true, true)),
            phase("caching-s3fifo", ratios(1_000, 0.4, 0.4), ratios(20, 0.3, 0.4), goals(false, false)),
        ])
        .to_string();
        let met = |row: &str| row.matches(" met ").count() - row.matches("not met ").count();
        let rows: Vec<_> = text.lines().filter(|line| line.contains("caching-")).collect();
        assert_eq!(rows.iter().map(|row| met(row)).collect::<Vec<_>>(), [0, 2, 0], "{text}");
        assert_eq!(rows[2].matches("not met ").count(), 2, "{text}");
    }
}
