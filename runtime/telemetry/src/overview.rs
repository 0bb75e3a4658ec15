use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    Selector, Telemetry,
    alerting::AlertFigures,
    scoring::ScoreEntry,
    store::{FamilySnapshot, Refused, ValueSnapshot},
};

/// One page: how the node is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    host: Host,
    /// The engines that are asked for figures.
    engines: Vec<String>,
    /// The last values of the node's own series that are not the machine's, by name and labels.
    figures: BTreeMap<String, f64>,
    series: SeriesCount,
    points: Points,
    alerts: AlertFigures,
    scores: Vec<ScoreEntry>,
}

/// The machine; null where it does not tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    cpu_utilization: Option<f64>,
    load_average_1m: Option<f64>,
    memory_utilization: Option<f64>,
    memory_limit_bytes: Option<f64>,
    process_memory_bytes: Option<f64>,
    process_cpu_utilization: Option<f64>,
    uptime_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesCount {
    own: usize,
    posted: usize,
    posted_max: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Points {
    taken: u64,
    refused: BTreeMap<&'static str, u64>,
    own_refused: BTreeMap<&'static str, u64>,
    exposition_conflicts: u64,
}

impl Overview {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        let counters = telemetry.counters();
        let (series, snapshot) = telemetry.with_store(|store, _| {
            let (own, posted) = store.series();
            (SeriesCount { own, posted, posted_max: store.series_max() }, store.own_snapshot())
        });
        Self {
            host: Host::of(telemetry),
            engines: telemetry.source_names(),
            figures: snapshot.iter().filter(|family| !is_hosts(&family.name)).flat_map(figures).collect(),
            series,
            points: Points {
                taken: counters.points,
                refused: by_reason(&counters.refused),
                own_refused: by_reason(&counters.own_refused),
                exposition_conflicts: counters.conflicts,
            },
            alerts: telemetry.alert_figures(),
            scores: telemetry.scores().list(),
        }
    }
}

impl Host {
    fn of(telemetry: &Telemetry) -> Self {
        let latest = |metric: &str| telemetry.own_latest(&Selector::of(metric));
        let memory_used = Selector::of("system.memory.utilization").with("system.memory.state", "used");
        Self {
            cpu_utilization: latest("system.cpu.utilization"),
            load_average_1m: latest("system.cpu.load_average.1m"),
            memory_utilization: telemetry.own_latest(&memory_used),
            memory_limit_bytes: latest("system.memory.limit"),
            process_memory_bytes: latest("process.memory.usage"),
            process_cpu_utilization: latest("process.cpu.utilization"),
            uptime_seconds: latest("system.uptime"),
        }
    }
}

fn is_hosts(metric: &str) -> bool {
    metric.starts_with("system.") || metric.starts_with("process.")
}

fn figures(family: &FamilySnapshot) -> Vec<(String, f64)> {
    let values = family.series.iter().filter_map(|(series, value)| match value {
        ValueSnapshot::Number(value) => Some((series.to_string(), *value)),
        ValueSnapshot::Histogram { .. } => None,
    });
    values.collect()
}

fn by_reason(refused: &Refused) -> BTreeMap<&'static str, u64> {
    refused.iter().map(|(refusal, points)| (refusal.name(), points)).collect()
}
