use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System};

use switchyard_types::Figure;

/// The figures of this process; none where the machine does not tell them.
pub(super) fn figures(system: &mut System) -> Vec<Figure> {
    let Ok(own) = sysinfo::get_current_pid() else { return Vec::new() };
    // Its threads are processes too where the kernel lists them: only the process itself is asked for.
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, wanted);
    let processors = system.cpus().len().max(1) as f64;
    system.process(own).map(|process| of(process, processors)).unwrap_or_default()
}

fn of(process: &Process, processors: f64) -> Vec<Figure> {
    let share = f64::from(process.cpu_usage()) / 100.0 / processors;
    let seconds = process.accumulated_cpu_time() as f64 / 1e3;
    let mut figures = vec![
        Figure::gauge("process.memory.usage", "By", "Resident memory of this process", process.memory() as f64),
        Figure::gauge("process.memory.virtual", "By", "Address space of this process", process.virtual_memory() as f64),
        Figure::gauge("process.cpu.utilization", "1", "Share of all processors that this process used", share),
        Figure::counter("process.cpu.time", "s", "Processor time of this process", seconds),
        Figure::gauge("process.uptime", "s", "Time since this process started", process.run_time() as f64),
    ];
    let files = process.open_files().map(|files| files as f64);
    figures.extend(files.map(|files| {
        let text = "File descriptors that this process has open";
        Figure::gauge("process.unix.file_descriptor", "{file_descriptor}", text, files)
    }));
    figures
}
