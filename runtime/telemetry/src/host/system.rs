use sysinfo::System;

use super::share;
use switchyard_types::Figure;

pub(super) fn figures(system: &mut System) -> Vec<Figure> {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let mut figures = Vec::from(processors(system));
    figures.extend(memory(system));
    figures.extend(load());
    let uptime = System::uptime().ok();
    figures.extend(uptime.map(|s| Figure::gauge("system.uptime", "s", "Time since the machine started", s as f64)));
    figures
}

fn processors(system: &System) -> [Figure; 2] {
    let used = (f64::from(system.global_cpu_usage()) / 100.0).clamp(0.0, 1.0);
    let count = system.cpus().len() as f64;
    [
        Figure::gauge("system.cpu.utilization", "1", "Share of all processors in use since the last sample", used),
        Figure::gauge("system.cpu.logical", "{cpu}", "Processors that the machine has", count),
    ]
}

fn memory(system: &System) -> Vec<Figure> {
    let (used, whole) = (system.used_memory(), system.total_memory());
    let states = [("used", used), ("free", whole.saturating_sub(used))];
    let mut figures = vec![
        Figure::gauge("system.memory.limit", "By", "Memory that the machine has", whole as f64),
        Figure::gauge(
            "system.linux.memory.available",
            "By",
            "Memory that can be had without swapping",
            system.available_memory() as f64,
        ),
    ];
    for (state, bytes) in states {
        let usage = Figure::gauge("system.memory.usage", "By", "Memory by state", bytes as f64);
        let utilization =
            Figure::gauge("system.memory.utilization", "1", "Share of the memory by state", share(bytes, whole));
        figures.extend([usage, utilization].map(|figure| figure.with("system.memory.state", state)));
    }
    let swapped = Figure::gauge("system.paging.usage", "By", "Swap space by state", system.used_swap() as f64);
    figures.push(swapped.with("system.paging.state", "used"));
    figures
}

fn load() -> Vec<Figure> {
    let Ok(load) = System::load_average() else { return Vec::new() };
    let text = "Tasks that ran or waited to run, on average";
    vec![
        Figure::gauge("system.cpu.load_average.1m", "{thread}", text, load.one),
        Figure::gauge("system.cpu.load_average.5m", "{thread}", text, load.five),
        Figure::gauge("system.cpu.load_average.15m", "{thread}", text, load.fifteen),
    ]
}
