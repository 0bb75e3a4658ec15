use switchyard_host::scoring::{Column, Table, Values};

use crate::{
    Selector,
    store::{Query, Store},
};

/// What requests are measured by: OpenTelemetry's own name for the first, the gateway's or an application's.
const DURATION: &str = "http.server.request.duration";
const ERROR_RATIO: &str = "http.server.error.ratio";

/// The table `service`: one row, and a column for each measure that is known now.
pub(crate) fn service(store: &Store, now_ms: u64, since_ms: u64) -> Table {
    let latest = |selector: Selector| store.own_latest(now_ms, &selector);
    let memory = Selector::of("system.memory.utilization").with("system.memory.state", "used");
    let measures = [
        ("response_seconds", store.mean_since(DURATION, since_ms)),
        ("error_ratio", store.mean_since(ERROR_RATIO, since_ms)),
        ("cache_hit_ratio", cache_hit_ratio(store, now_ms, since_ms)),
        ("cpu_utilization", latest(Selector::of("system.cpu.utilization"))),
        ("memory_utilization", latest(memory)),
    ];
    let column =
        |(name, value): (&str, Option<f64>)| Some(Column { name: name.to_owned(), values: Values::F64s(vec![value?]) });
    Table { name: "service".to_owned(), columns: measures.into_iter().filter_map(column).collect() }
}

/// Of the reads since then; none where nobody read.
fn cache_hit_ratio(store: &Store, now_ms: u64, since_ms: u64) -> Option<f64> {
    let window_ms = now_ms.saturating_sub(since_ms);
    let rate = |metric: &str| {
        store.query(now_ms, &Selector::of(metric), Query::Rate { window_ms }).first().map(|reading| reading.value)
    };
    let (hits, misses) = (rate("cache.hits")?, rate("cache.misses")?);
    let reads = hits + misses;
    (reads > 0.0).then(|| hits / reads)
}
