//! What an entry costs, measured on the resident memory of a process that holds many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use switchyard_cache::{Cache, ENTRY_OVERHEAD_BYTES, Write};

const ENTRIES: u64 = 400_000;
const KEY_BYTES: u64 = 16;
const VALUE_BYTES: u64 = 64;
/// The bound that the design sets, in bytes beside key and value.
const OVERHEAD_BYTES_MAX: u64 = 150;

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
}

#[test]
fn an_entry_costs_what_is_accounted_for() {
    let cache = Cache::new(&support::host(), support::bytes(1 << 30)).expect("a cache");
    let before = resident_bytes();
    for n in 0..ENTRIES {
        cache.set(0, format!("{n:016}").as_bytes(), &[7; VALUE_BYTES as usize], Write::PLAIN);
    }
    let figures = cache.figures();
    assert_eq!(figures.entries, ENTRIES);
    assert_eq!(figures.bytes, ENTRIES * (KEY_BYTES + VALUE_BYTES + ENTRY_OVERHEAD_BYTES));
    let each = (resident_bytes() - before) / ENTRIES;
    let overhead = each - KEY_BYTES - VALUE_BYTES;
    println!("an entry costs {overhead} bytes beside its key and value; {ENTRY_OVERHEAD_BYTES} are accounted for");
    assert!(overhead <= OVERHEAD_BYTES_MAX, "{overhead} bytes beside key and value");
    assert!(overhead.abs_diff(ENTRY_OVERHEAD_BYTES) <= 24, "{overhead} bytes, accounted for {ENTRY_OVERHEAD_BYTES}");
}
