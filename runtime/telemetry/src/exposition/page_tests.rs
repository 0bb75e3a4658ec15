use super::*;
use crate::{
    Series,
    store::{Counts, Meta, Origin, Store, Value},
};

/// Name, unit, kind, labels and value.
type Given<'a> = (&'a str, &'a str, Kind, &'a [(&'a str, &'a str)], f64);

fn store(values: &[Given<'_>]) -> Store {
    let mut store = Store::new(100, 600_000);
    for (name, unit, kind, labels, value) in values {
        let meta = Meta { name, unit, description: "What \"it\" is\\\nhere", kind: *kind };
        let value = match kind {
            Kind::Gauge => Value::Now(*value),
            Kind::Counter => Value::Total { value: *value, started: 0 },
            Kind::Histogram => Value::Counts {
                bounds: [0.5, 1.0].into(),
                counts: Counts { sum: *value, buckets: [1, 2, 3].into() },
                started: Some(0),
            },
        };
        store.put(0, Origin::Posted, meta, labels.iter().copied(), value).unwrap();
    }
    store
}

#[track_caller]
fn check(values: &[Given<'_>], format: Format, conflicts: u64, expected: &str) {
    let page = render(&store(values).snapshot(), format);
    let without_help: String = page
        .text
        .lines()
        .filter(|line| !line.starts_with("# HELP"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(without_help, expected);
    assert_eq!(page.conflicts, conflicts);
}

#[test]
fn both_formats_differ_where_they_must() {
    let values: &[Given<'_>] = &[
        ("hits", "1", Kind::Counter, &[("a.b", "x\"y\\z\n")], 3.0),
        ("load", "", Kind::Gauge, &[], 1e300),
        ("wait", "s", Kind::Histogram, &[("k", "v")], 4.5),
        ("target_info", "", Kind::Gauge, &[("job", "j")], 1.0),
    ];
    let wait = "# TYPE wait_seconds histogram\n\
                wait_seconds_bucket{k=\"v\",le=\"0.5\"} 1\n\
                wait_seconds_bucket{k=\"v\",le=\"1.0\"} 3\n\
                wait_seconds_bucket{k=\"v\",le=\"+Inf\"} 6\n\
                wait_seconds_sum{k=\"v\"} 4.5\n\
                wait_seconds_count{k=\"v\"} 6\n";
    let hits = "hits_total{a_b=\"x\\\"y\\\\z\\n\"} 3.0\n";
    let load = "# TYPE load gauge\nload 1e300\n";
    let target = "target_info{job=\"j\"} 1.0\n";
    let text = format!("# TYPE hits_total counter\n{hits}{load}# TYPE target_info gauge\n{target}{wait}");
    check(values, Format::Text, 0, &text);
    let open = format!("# TYPE hits counter\n{hits}{load}# TYPE target info\n{target}{wait}# EOF\n");
    check(values, Format::OpenMetrics, 0, &open);
}

#[test]
fn a_description_is_one_line() {
    let values: &[Given<'_>] = &[("m", "", Kind::Gauge, &[], 1.0)];
    let help = |format| render(&store(values).snapshot(), format).text.lines().next().unwrap().to_owned();
    assert_eq!(help(Format::Text), r#"# HELP m What "it" is\\\nhere"#);
    assert_eq!(help(Format::OpenMetrics), r#"# HELP m What \"it\" is\\\nhere"#);
}

#[test]
fn no_line_stands_there_twice() {
    let values: &[Given<'_>] = &[
        ("a.b", "", Kind::Gauge, &[("x.y", "1")], 1.0),
        ("a_b", "", Kind::Gauge, &[("x_y", "1")], 2.0),
        ("a-b", "", Kind::Counter, &[], 3.0),
        ("h", "", Kind::Histogram, &[], 1.0),
        ("h_count", "", Kind::Gauge, &[], 4.0),
    ];
    let page = render(&store(values).snapshot(), Format::Text);
    let mut lines: Vec<_> = page.text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), page.conflicts), (all, 3));
}

#[test]
fn series_that_differ_in_a_label_without_value_are_one() {
    let one = Series::new("m", vec![("a".into(), "".into())]);
    assert!(names::labels(&one, Kind::Gauge).is_empty());
}
