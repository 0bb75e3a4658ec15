//! Figures of the machine and of this process, by OpenTelemetry's names. Two gauges lack their `.count` at the end: to
//! Prometheus that is part of a histogram, and its own check of the format takes it for a fault.
//!
//! <https://opentelemetry.io/docs/specs/semconv/system/system-metrics/>

mod disks;
mod networks;
mod process;
mod system;

use sysinfo::{Disks, Networks, System};

use switchyard_types::Figure;

/// Disks, and network interfaces, that are told of: a machine that runs containers has hundreds of either.
const DEVICES_MAX: usize = 32;

/// The machine as it was when it was last asked: shares of a processor are those since then.
#[derive(Debug)]
pub(crate) struct HostSampler {
    system: System,
    disks: Disks,
    networks: Networks,
}

impl HostSampler {
    /// None on a system that the library does not know.
    pub(crate) fn new() -> Option<Self> {
        let mut system = System::new().ok()?;
        system.refresh_cpu_usage();
        Some(Self { system, disks: Disks::new().ok()?, networks: Networks::new().ok()? })
    }

    /// Asks the machine. Takes a millisecond or a few: it reads files under `/proc`.
    pub(crate) fn sample(&mut self) -> Vec<Figure> {
        let mut figures = system::figures(&mut self.system);
        figures.extend(process::figures(&mut self.system));
        figures.extend(disks::figures(&mut self.disks));
        figures.extend(networks::figures(&mut self.networks));
        figures
    }
}

/// Part of a whole, from 0 to 1; 0 of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_what_it_must() {
        let mut sampler = HostSampler::new().unwrap();
        sampler.sample();
        let figures = sampler.sample();
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().number().unwrap();
        assert!(value("system.memory.limit") > 1e6);
        assert!((0.0..=1.0).contains(&value("system.cpu.utilization")));
        assert!((0.0..=1.0).contains(&value("system.memory.utilization")));
        assert!(value("system.cpu.logical") >= 1.0);
        assert!(value("process.memory.usage") > 1e5);
        assert!(value("process.unix.file_descriptor") >= 3.0);
        assert!(value("process.cpu.time") >= 0.0 && value("system.uptime") > 0.0);
        assert!(figures.iter().all(|figure| figure.number().unwrap().is_finite() && !figure.description.is_empty()));
    }
}
