use sysinfo::{NetworkData, Networks};

use super::DEVICES_MAX;
use switchyard_types::Figure;

pub(super) fn figures(networks: &mut Networks) -> Vec<Figure> {
    networks.refresh(true);
    let mut interfaces: Vec<_> = networks.iter().collect();
    // By name: with more than are told of, they should be the same ones each time.
    interfaces.sort_by(|a, b| a.0.cmp(b.0));
    interfaces.into_iter().take(DEVICES_MAX).flat_map(|(name, data)| of(&name.to_string_lossy(), data)).collect()
}

fn of(name: &str, data: &NetworkData) -> Vec<Figure> {
    let directions = [
        ("receive", data.total_received(), data.total_packets_received(), data.total_errors_on_received()),
        ("transmit", data.total_transmitted(), data.total_packets_transmitted(), data.total_errors_on_transmitted()),
    ];
    let figures = directions.into_iter().flat_map(|(direction, bytes, packets, errors)| {
        let figures = [
            Figure::counter("system.network.io", "By", "Bytes over a network interface", bytes as f64),
            Figure::counter("system.network.packet.count", "{packet}", "Packets over an interface", packets as f64),
            Figure::counter("system.network.errors", "{error}", "Faulty packets of an interface", errors as f64),
        ];
        figures.map(|figure| figure.with("network.io.direction", direction))
    });
    figures.map(|figure| figure.with("network.interface.name", name)).collect()
}
