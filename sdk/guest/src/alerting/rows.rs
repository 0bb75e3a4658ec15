use super::{Columns, Texts};

/// One row of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The series' number.
    pub series: u64,
    /// The metric's name.
    pub name: &'a str,
    /// Its labels: `key="value"`, comma between, sorted by key.
    pub labels: &'a str,
    /// Finite.
    pub value: f64,
}

impl Columns {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let names = self.name.iter().zip(&self.labels);
        self.series.iter().zip(names).zip(&self.value).map(|((series, (name, labels)), value)| Row {
            series: *series,
            name: self.texts.get(*name),
            labels: self.texts.get(*labels),
            value: *value,
        })
    }
}

impl Texts {
    /// A string; an empty one where there is none.
    pub fn get(&self, index: u32) -> &str {
        let end = self.ends.get(index as usize);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before as usize)).copied().unwrap_or(0);
        let bytes = end.and_then(|end| self.bytes.get(start as usize..*end as usize)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_by_their_ends() {
        let texts = Texts { bytes: "cpub=\"\u{e9}\"".into(), ends: vec![3, 3, 9] };
        assert_eq!([0, 1, 2, 3, u32::MAX].map(|index| texts.get(index)), ["cpu", "", "b=\"\u{e9}\"", "", ""]);
    }
}
