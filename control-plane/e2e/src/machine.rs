//! The machine that figures are of.

use std::{fs, thread};

/// The machine in one line: every figure on a page is of this one.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
    let memory =
        memory.map_or("unknown memory".to_owned(), |kib| format!("{:.1} GiB of memory", kib as f64 / 1_048_576.0));
    format!("{cores} processors ({model}), {memory}")
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
