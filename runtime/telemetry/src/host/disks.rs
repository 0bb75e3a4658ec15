use std::collections::HashSet;

use sysinfo::{Disk, Disks};

use super::{DEVICES_MAX, share};
use switchyard_types::Figure;

pub(super) fn figures(disks: &mut Disks) -> Vec<Figure> {
    disks.refresh(true);
    let mut devices = HashSet::new();
    let mut figures = Vec::new();
    for disk in disks.iter().take(DEVICES_MAX) {
        figures.extend(filesystem(disk));
        // A device that is mounted twice has been read and written once.
        let device = disk.name().to_string_lossy().into_owned();
        if devices.insert(device.clone()) {
            figures.extend(device_io(disk, &device));
        }
    }
    figures
}

fn filesystem(disk: &Disk) -> [Figure; 3] {
    let whole = disk.total_space();
    let used = whole.saturating_sub(disk.available_space());
    let figures = [
        Figure::gauge("system.filesystem.limit", "By", "Size of a file system", whole as f64),
        Figure::gauge("system.filesystem.usage", "By", "Space of a file system by state", used as f64)
            .with("system.filesystem.state", "used"),
        Figure::gauge("system.filesystem.utilization", "1", "Share of a file system in use", share(used, whole)),
    ];
    figures.map(|figure| {
        figure
            .with("system.device", &disk.name().to_string_lossy())
            .with("system.filesystem.mountpoint", &disk.mount_point().to_string_lossy())
    })
}

fn device_io(disk: &Disk, device: &str) -> [Figure; 2] {
    let usage = disk.usage();
    let directions = [("read", usage.total_read_bytes), ("write", usage.total_written_bytes)];
    directions.map(|(direction, bytes)| {
        Figure::counter("system.disk.io", "By", "Bytes read from and written to a device", bytes as f64)
            .with("system.device", device)
            .with("disk.io.direction", direction)
    })
}
