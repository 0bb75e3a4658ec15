use super::{Budget, Unit};

/// In a budget of bytes: a small value with its key and the table's overhead. Smaller ones make a strategy's
/// collections grow once more, larger ones leave some of the room unused.
const ENTRY_BYTES: u64 = 512;
/// Room for this many ids takes about ten megabytes: more is made when it is needed.
const ENTRIES_MAX: u64 = 1 << 18;

/// How many entries a strategy should make room for in `resize`, so that its collections need not grow while a caller
/// waits.
pub fn entries_expected(budget: Budget) -> usize {
    let entries = match budget.unit {
        Unit::Entries => budget.capacity,
        Unit::Bytes => budget.capacity / ENTRY_BYTES,
    };
    entries.min(ENTRIES_MAX) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_within_a_bound() {
        let check = |unit, capacity, expected| assert_eq!(entries_expected(Budget { unit, capacity }), expected);
        check(Unit::Entries, 0, 0);
        check(Unit::Entries, 1_000, 1_000);
        check(Unit::Bytes, 1 << 20, 2_048);
        check(Unit::Entries, u64::MAX, 1 << 18);
        check(Unit::Bytes, u64::MAX, 1 << 18);
    }
}
