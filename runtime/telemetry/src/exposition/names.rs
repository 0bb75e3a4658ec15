use std::collections::BTreeMap;

use crate::{Series, store::Kind};

/// Units and the words that Prometheus has for them.
/// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#metric-metadata-1>
const UNITS: [(&str, &str); 24] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
];

/// Units below a slash, where it is one of them and not many.
const UNITS_PER: [(&str, &str); 7] =
    [("s", "second"), ("min", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// The name of a family: the metric's name in Prometheus's letters, with its unit at the end. A counter's lines have
/// `_total` behind it, which is not part of the family's name here.
pub(super) fn family(metric: &str, unit: &str, kind: Kind) -> String {
    let mut words: Vec<String> = words(metric, |c| c == ':').map(str::to_owned).collect();
    if kind == Kind::Counter {
        words.retain(|word| word != "total");
    }
    for word in unit_words(unit, kind) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let name = words.join("_");
    match name.chars().next() {
        None => "_".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

fn unit_words(unit: &str, kind: Kind) -> Vec<String> {
    let (unit, per) = unit.split_once('/').map_or((unit, None), |(unit, per)| (unit, Some(per)));
    let mut found: Vec<String> = match unit.trim() {
        "1" if kind == Kind::Gauge && per.is_none() => vec!["ratio".to_owned()],
        "1" => Vec::new(),
        "%" => vec!["percent".to_owned()],
        unit => unit_text(unit, &UNITS).into_iter().collect(),
    };
    if let Some(per) = per.and_then(|per| unit_text(per.trim(), &UNITS_PER)) {
        found.extend(["per".to_owned(), per]);
    }
    found
}

/// What a unit is called; none for an annotation in braces.
fn unit_text(unit: &str, known: &[(&str, &str)]) -> Option<String> {
    let unit = unit.split('{').next().unwrap_or_default();
    let known = known.iter().find(|(short, _)| *short == unit).map(|(_, long)| (*long).to_owned());
    let own = || words(unit, |_| false).collect::<Vec<_>>().join("_");
    Some(known.unwrap_or_else(own)).filter(|text| !text.is_empty())
}

/// The parts of a name between letters that Prometheus does not have.
fn words(text: &str, also: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c: char| !(c.is_ascii_alphanumeric() || also(c))).filter(|word| !word.is_empty())
}

/// Labels in Prometheus's letters. Where two names become one, their values stand one behind the other, as the
/// specification asks. `le` belongs to the buckets of a histogram.
pub(super) fn labels(series: &Series, kind: Kind) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    // A label without a value is no label to Prometheus, and would be a second line for the same series.
    for (name, value) in series.labels().iter().filter(|(_, value)| !value.is_empty()) {
        let name = label(name, kind);
        match labels.get_mut(&name) {
            Some(there) => {
                there.push(';');
                there.push_str(value);
            }
            None => {
                labels.insert(name, value.to_string());
            }
        }
    }
    labels
}

fn label(name: &str, kind: Kind) -> String {
    let joined = words(name, |_| false).collect::<Vec<_>>().join("_");
    match joined.chars().next() {
        None => "key".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("key_{joined}"),
        Some(_) if joined == "le" && kind == Kind::Histogram => "exported_le".to_owned(),
        Some(_) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metric: &str, unit: &str, kind: Kind, expected: &str) {
        assert_eq!(family(metric, unit, kind), expected);
    }

    #[test]
    fn names_follow_opentelemetrys_rules() {
        check("system.cpu.utilization", "1", Kind::Gauge, "system_cpu_utilization_ratio");
        check("system.network.io", "By", Kind::Counter, "system_network_io_bytes");
        check("http.server.request.duration", "s", Kind::Histogram, "http_server_request_duration_seconds");
        check("requests_total", "1", Kind::Counter, "requests");
        check("requests.total.failed", "{request}", Kind::Counter, "requests_failed");
        check("requests", "{request}/s", Kind::Gauge, "requests_per_second");
        check("speed", "By/s", Kind::Gauge, "speed_bytes_per_second");
        check("wait_seconds", "s", Kind::Gauge, "wait_seconds");
        check("2xx", "", Kind::Gauge, "_2xx");
        check("größe", "", Kind::Gauge, "gr_e");
        check("a..b--c", "", Kind::Gauge, "a_b_c");
        check("…", "", Kind::Gauge, "_");
        check("job:rate", "%", Kind::Gauge, "job:rate_percent");
    }

    #[test]
    fn labels_that_become_one_keep_both_values() {
        let pairs = [("a.b", "1"), ("a_b", "2"), ("0", "x"), ("le", "y"), ("__name__", "z"), ("gone", "")];
        let labels_in = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let found = labels(&Series::new("m", labels_in), Kind::Histogram);
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["a_b=1;2", "exported_le=y", "key_0=x", "name=z"]);
    }
}
