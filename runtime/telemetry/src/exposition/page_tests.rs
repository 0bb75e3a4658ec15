use proptest::prelude::*;

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

/// A metric as anybody may post it: names that become one another's, and letters that Prometheus does not have.
fn posted() -> impl Strategy<Value = (String, &'static str, Kind, Vec<(String, String)>)> {
    const WORDS: [&str; 16] = [
        "a",
        "b",
        ".",
        "_",
        "9",
        "é",
        "{",
        "\"",
        "\n",
        ":",
        "_total",
        "_count",
        "_sum",
        "_bucket",
        "target_info",
        "le",
    ];
    let word = prop::sample::select(&WORDS[..]);
    let name = prop::collection::vec(word.clone(), 1..4).prop_map(|words| words.concat());
    let text = prop::collection::vec(word, 0..3).prop_map(|words| words.concat());
    let unit = prop::sample::select(&["", "1", "s", "{x}/s", "\"/\n"][..]);
    let kind = prop::sample::select(&[Kind::Gauge, Kind::Counter, Kind::Histogram][..]);
    (name.clone(), unit, kind, prop::collection::vec((name, text), 0..3))
}

proptest! {
    /// Each line once, below the one description of its family, in both formats.
    #[test]
    fn a_page_is_well_formed_whatever_is_posted(metrics in prop::collection::vec(posted(), 0..12)) {
        let mut store = Store::new(10_000, 600_000);
        for (name, unit, kind, labels) in &metrics {
            let value = match kind {
                Kind::Gauge => Value::Now(1.0),
                Kind::Counter => Value::More(1.0),
                Kind::Histogram => {
                    let counts = Counts { sum: 1.0, buckets: [1, 1].into() };
                    Value::Counts { bounds: [1.0].into(), counts, started: None }
                }
            };
            let meta = Meta { name, unit, description: name, kind: *kind };
            let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            // The same name as another kind is refused, which is no concern of the page.
            let _ = store.put(0, Origin::Posted, meta, labels, value);
        }
        for format in [Format::Text, Format::OpenMetrics] {
            check_page(&render(&store.snapshot(), format).text)?;
        }
    }
}

fn check_page(text: &str) -> Result<(), TestCaseError> {
    let (mut families, mut lines, mut family) = (HashSet::new(), HashSet::new(), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap_or_default();
            prop_assert!(families.insert(family), "{family} is described twice: {text}");
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            prop_assert!(lines.insert(series), "{series} stands there twice: {text}");
            prop_assert!(series.starts_with(family), "{series} stands under {family}: {text}");
            let name = series.split('{').next().unwrap_or_default();
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'), "{name:?}");
        }
    }
    Ok(())
}
