use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use switchyard_types::format_bytes;

use super::{phases::Phase, refusal::Refusal, report::Report};
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
    let head = ["phase", "strategy", "requests", "hit ratio", "LRU alone", "first 2 %", "LRU alone", "flip ms"];
    let row = |(number, phase): (usize, &Phase)| {
        let percent = |ratio: f64| format!("{:.2} %", ratio * 100.0);
        vec![
            (number + 1).to_string(),
            phase.strategy.clone(),
            phase.ratios.requests.to_string(),
            percent(phase.ratios.hit_ratio),
            percent(phase.ratios.hit_ratio_lru),
            percent(phase.first_2_percent.hit_ratio),
            percent(phase.first_2_percent.hit_ratio_lru),
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
fn table(head: &[&str], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(head).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
