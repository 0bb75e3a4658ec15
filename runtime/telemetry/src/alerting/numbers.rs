use std::collections::{HashMap, HashSet};

use crate::Series;

/// The numbers by which strategies know series. One is given once and never again: a strategy remembers it for as long as the
/// series lives or has an active alert. After a restart they begin anew, and what is adopted has the new ones.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: u64,
    of: HashMap<Series, u64>,
}

impl Numbers {
    pub(super) fn of(&mut self, series: &Series) -> u64 {
        if let Some(number) = self.of.get(series) {
            return *number;
        }
        self.last += 1;
        self.of.insert(series.clone(), self.last);
        self.last
    }

    /// Forgets series that are not among these, which are in order, and have no active alert.
    pub(super) fn retain(&mut self, series: &[Series], active: &HashSet<Series>) {
        self.of.retain(|known, _| series.binary_search(known).is_ok() || active.contains(known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_and_is_never_given_twice() {
        let series = |name: &str| Series::new(name, Vec::new());
        let mut numbers = Numbers::default();
        let given = ["a", "b", "a", "c"].map(|name| numbers.of(&series(name)));
        assert_eq!(given, [1, 2, 1, 3]);
        numbers.retain(&[series("a")], &HashSet::from([series("b")]));
        assert_eq!(["a", "b", "c"].map(|name| numbers.of(&series(name))), [1, 2, 4]);
    }
}
