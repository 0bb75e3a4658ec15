use switchyard_sdk::scoring::Table;

use crate::Configuration;

/// A share of errors that is worth nothing.
const ERROR_RATIO_BAD: f64 = 0.05;
/// Processor and memory are healthy up to the first and worth nothing from the second.
const UTILIZATION_GOOD: f64 = 0.7;
const UTILIZATION_BAD: f64 = 0.95;

/// One part of the score.
#[derive(Clone, Copy)]
pub(crate) struct PartOf {
    pub(crate) name: &'static str,
    pub(crate) share: fn(&Configuration) -> f64,
    /// None: it is not measured.
    pub(crate) measure: fn(&Configuration, &Table) -> Option<Measured>,
    pub(crate) advice: &'static str,
}

/// What a part is worth, 0 to 100, and the figures it was made of.
pub(crate) struct Measured {
    pub(crate) worth: f64,
    pub(crate) evidence: String,
}

pub(crate) const PARTS: [PartOf; 4] = [
    PartOf {
        name: "response-time",
        share: |configuration| configuration.response_time,
        measure: response_time,
        advice: "Look at the slowest backend in the route's figures; routing-least-latency sends less to it.",
    },
    PartOf {
        name: "success",
        share: |configuration| configuration.success,
        measure: success,
        advice: "Look at which backend fails in the route's figures, and at its health check.",
    },
    PartOf {
        name: "cache-efficiency",
        share: |configuration| configuration.cache_efficiency,
        measure: cache_efficiency,
        advice: "Replay a recorded trace with other strategies and a larger budget.",
    },
    PartOf {
        name: "system-health",
        share: |configuration| configuration.system_health,
        measure: system_health,
        advice: "Add processors or memory, or move work to another node.",
    },
];

/// 100 at `good`, 0 at `bad`, a straight line between.
fn line(value: f64, good: f64, bad: f64) -> f64 {
    (100.0 * (bad - value) / (bad - good)).clamp(0.0, 100.0)
}

fn response_time(configuration: &Configuration, table: &Table) -> Option<Measured> {
    let seconds = table.number("response_seconds", 0)?;
    let worth = line(seconds, configuration.response_good_seconds, configuration.response_bad_seconds);
    Some(Measured { worth, evidence: format!("Requests take {seconds:.3} s on average.") })
}

fn success(_: &Configuration, table: &Table) -> Option<Measured> {
    let ratio = table.number("error_ratio", 0)?;
    let evidence = format!("{:.2} % of the requests fail.", ratio * 100.0);
    Some(Measured { worth: line(ratio, 0.0, ERROR_RATIO_BAD), evidence })
}

fn cache_efficiency(_: &Configuration, table: &Table) -> Option<Measured> {
    let ratio = table.number("cache_hit_ratio", 0)?;
    let evidence = format!("{:.1} % of the reads find something.", ratio * 100.0);
    Some(Measured { worth: line(ratio, 1.0, 0.0), evidence })
}

/// As healthy as the worse of the two.
fn system_health(_: &Configuration, table: &Table) -> Option<Measured> {
    let used = |name: &str, column| Some((name.to_owned(), table.number(column, 0)?));
    let known: Vec<_> =
        [used("processors", "cpu_utilization"), used("memory", "memory_utilization")].into_iter().flatten().collect();
    let worst = known.iter().map(|(_, ratio)| *ratio).reduce(f64::max)?;
    let figures: Vec<_> = known.iter().map(|(name, ratio)| format!("{name} {:.0} %", ratio * 100.0)).collect();
    let evidence = format!("In use: {}.", figures.join(", "));
    Some(Measured { worth: line(worst, UTILIZATION_GOOD, UTILIZATION_BAD), evidence })
}
