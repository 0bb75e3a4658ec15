use super::*;

fn meta(name: &str, kind: Kind) -> Meta<'_> {
    Meta { name, unit: "1", description: "", kind }
}

fn put(store: &mut Store, now_ms: u64, name: &str, label: &str, value: f64) -> Result<(), Refusal> {
    store.put(now_ms, Origin::Posted, meta(name, Kind::Gauge), [("l", label)].into_iter(), Value::Now(value))
}

fn ask(store: &Store, now_ms: u64, name: &str, query: Query) -> Vec<f64> {
    store.query(now_ms, &Selector::of(name), query).into_iter().map(|reading| reading.value).collect()
}

#[test]
fn a_million_label_sets_cost_no_memory_and_disturb_nobody() {
    let mut store = Store::new(1_000, 600_000);
    put(&mut store, 0, "good", "a", 1.0).unwrap();
    let refused = (0..1_000_000).filter(|n| put(&mut store, 1, "bad", &n.to_string(), 1.0) == Err(Refusal::Full));
    assert_eq!(refused.count(), 1_000_000 - 999);
    assert_eq!(store.series(), (0, 1_000));
    // The metric, the label's name and value, and a text a series.
    assert_eq!(store.texts.len(), 4 + 999);
    put(&mut store, 10_000, "good", "a", 2.0).unwrap();
    assert_eq!(ask(&store, 10_000, "good", Query::Latest), [2.0]);
    // A new name is refused without leaving an empty family.
    assert_eq!(put(&mut store, 1, "new", "a", 1.0), Err(Refusal::Full));
    assert_eq!(store.families.len(), 2);
}

#[test]
fn the_nodes_own_series_have_room_of_their_own_and_nobody_else_writes_them() {
    let mut store = Store::new(1, 600_000);
    put(&mut store, 0, "theirs", "a", 1.0).unwrap();
    let own = store.put(0, Origin::Own, meta("ours", Kind::Gauge), std::iter::empty(), Value::Now(1.0));
    assert_eq!(own, Ok(()));
    let forged = store.put(0, Origin::Posted, meta("ours", Kind::Gauge), std::iter::empty(), Value::Now(9.0));
    assert_eq!(forged, Err(Refusal::Reserved));
    assert_eq!(ask(&store, 0, "ours", Query::Latest), [1.0]);
}

#[test]
fn the_nodes_own_series_take_their_names_back() {
    let mut store = Store::new(10, 600_000);
    // Somebody was first, with the same series of one metric and with another kind of the other.
    put(&mut store, 0, "same", "a", 9.0).unwrap();
    put(&mut store, 0, "same", "b", 9.0).unwrap();
    put(&mut store, 0, "other", "a", 9.0).unwrap();
    let own = |store: &mut Store, name: &str, kind, value| {
        store.put(1, Origin::Own, meta(name, kind), [("l", "a")].into_iter(), value)
    };
    own(&mut store, "same", Kind::Gauge, Value::Now(1.0)).unwrap();
    own(&mut store, "other", Kind::Counter, Value::Total { value: 1.0, started: 0 }).unwrap();
    assert_eq!(store.series(), (2, 1));
    assert_eq!(ask(&store, 1, "same", Query::Latest), [1.0, 9.0]);
    assert_eq!(ask(&store, 1, "other", Query::Latest), [1.0]);
    assert_eq!(put(&mut store, 2, "other", "b", 9.0), Err(Refusal::Kind));
}

#[test]
fn silent_series_are_forgotten_and_make_room() {
    let mut store = Store::new(2, 1_000);
    put(&mut store, 0, "m", "a", 1.0).unwrap();
    put(&mut store, 900, "m", "b", 1.0).unwrap();
    store.sweep(1_500);
    assert_eq!(store.series(), (0, 1));
    put(&mut store, 1_500, "m", "c", 1.0).unwrap();
    store.sweep(9_000);
    assert_eq!((store.series(), store.families.len(), store.texts.len()), ((0, 0), 0, 0));
}

#[test]
fn what_is_no_number_is_refused_and_the_rest_goes_on() {
    let mut store = Store::new(10, 600_000);
    put(&mut store, 0, "m", "a", 1.0).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(put(&mut store, 2_000, "m", "a", value), Err(Refusal::NotFinite));
    }
    put(&mut store, 4_000, "m", "a", 3.0).unwrap();
    assert_eq!(ask(&store, 4_000, "m", Query::Mean { window_ms: 10_000 }), [2.0]);
}

#[test]
fn windows_answer_what_alerts_ask() {
    let mut store = Store::new(10, 600_000);
    for second in 0..=60_u64 {
        put(&mut store, second * 2_000, "m", "a", second as f64).unwrap();
    }
    let now = 120_000;
    let window_ms = 20_000;
    assert_eq!(ask(&store, now, "m", Query::Latest), [60.0]);
    assert_eq!(ask(&store, now, "m", Query::Mean { window_ms }), [55.0]);
    assert_eq!(ask(&store, now, "m", Query::Min { window_ms }), [50.0]);
    assert_eq!(ask(&store, now, "m", Query::Max { window_ms }), [60.0]);
    assert_eq!(ask(&store, now, "m", Query::Rate { window_ms }), [0.5]);
    assert_eq!(ask(&store, now, "m", Query::Quantile { quantile: 0.5, window_ms }), Vec::<f64>::new());
    assert_eq!(ask(&store, now + 300_000, "m", Query::Mean { window_ms }), Vec::<f64>::new());
    let selector = Selector::of("m").with("l", "b");
    assert!(store.query(now, &selector, Query::Latest).is_empty());
}

#[test]
fn a_mean_of_huge_numbers_stays_finite() {
    let mut store = Store::new(10, 600_000);
    put(&mut store, 0, "m", "a", f64::MAX).unwrap();
    put(&mut store, 2_000, "m", "a", f64::MAX).unwrap();
    assert_eq!(ask(&store, 2_000, "m", Query::Mean { window_ms: 10_000 }), [f64::MAX]);
}

#[test]
fn bounds_and_kinds_are_kept() {
    let mut store = Store::new(100, 600_000);
    put(&mut store, 0, "m", "a", 1.0).unwrap();
    let total = Value::Total { value: 1.0, started: 0 };
    let put_as = |store: &mut Store, name: &str, kind, value| {
        store.put(0, Origin::Posted, meta(name, kind), std::iter::empty(), value)
    };
    assert_eq!(put_as(&mut store, "m", Kind::Counter, total), Err(Refusal::Kind));
    assert_eq!(put_as(&mut store, "c", Kind::Counter, Value::More(-1.0)), Err(Refusal::Negative));
    assert_eq!(put_as(&mut store, "", Kind::Gauge, Value::Now(1.0)), Err(Refusal::Labels));
    assert_eq!(put(&mut store, 0, "m", &"x".repeat(SERIES_BYTES_MAX), 1.0), Err(Refusal::Labels));
    let counts = |bounds: &[f64], buckets: &[u64]| Value::Counts {
        bounds: bounds.into(),
        counts: Counts { sum: 1.0, buckets: buckets.into() },
        started: Some(1),
    };
    assert_eq!(put_as(&mut store, "h", Kind::Histogram, counts(&[1.0], &[1])), Err(Refusal::Malformed));
    assert_eq!(put_as(&mut store, "h", Kind::Histogram, counts(&[2.0, 1.0], &[1, 1, 1])), Err(Refusal::Malformed));
    assert_eq!(put_as(&mut store, "h", Kind::Histogram, counts(&[f64::NAN], &[1, 1])), Err(Refusal::NotFinite));
    assert_eq!(put_as(&mut store, "h", Kind::Histogram, counts(&[1.0], &[1, 1])), Ok(()));
    assert_eq!(store.series(), (0, 1 + 4));
    // More buckets than there is room for: the histogram stays as it was.
    let many: Vec<f64> = (0..100).map(f64::from).collect();
    assert_eq!(put_as(&mut store, "h", Kind::Histogram, counts(&many, &[0; 101])), Err(Refusal::Full));
    assert_eq!(store.series(), (0, 1 + 4));
}

#[test]
fn a_late_value_is_refused_and_counts_nothing_twice() {
    let mut store = Store::new(10, 600_000);
    let mut put = |now_ms: u64, taken, kind, value| {
        let labels = std::iter::empty();
        store.put_taken(now_ms * 2_000, Origin::Posted, meta("m", kind), labels, Taken(taken), value)
    };
    let total = |value| Value::Total { value, started: 7 };
    let sums = [(10, 1_000.0), (20, 1_100.0), (15, 1_050.0), (30, 1_200.0)];
    let taken: Vec<_> = (0..).zip(sums).map(|(at, (taken, sum))| put(at, taken, Kind::Counter, total(sum))).collect();
    assert_eq!(taken, [Ok(()), Ok(()), Err(Refusal::Late), Ok(())]);
    assert_eq!(ask(&store, 8_000, "m", Query::Latest), [1_200.0]);
}
