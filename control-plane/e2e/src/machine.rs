//! The machine that figures are of.

use std::{fs, thread};

use anyhow::{Context, Result, bail};
use rustix::param::clock_ticks_per_second;

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

/// User and system time of a process, all threads.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name stands in parentheses and may hold anything; fields are counted after it.
    let (_, fields) = stat.rsplit_once(") ").context("the kernel's accounting is not as expected")?;
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { bail!("the kernel's accounting is not as expected") };
    Ok((user + system) as f64 / clock_ticks_per_second() as f64)
}

/// The same with that of the children that live: a server may work in processes of its own.
pub fn cpu_seconds_of_family(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let mut seconds = cpu_seconds(process)?;
    for child in children.split_ascii_whitespace() {
        seconds += cpu_seconds(child.parse()?)?;
    }
    Ok(seconds)
}
