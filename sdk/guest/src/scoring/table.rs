use super::{Table, Values};

impl Table {
    /// A measure in one row, as a number; none: the table has no such measure, or no such row.
    pub fn number(&self, column: &str, row: usize) -> Option<f64> {
        match &self.columns.iter().find(|candidate| candidate.name == column)?.values {
            Values::F64s(values) => values.get(row).copied(),
            Values::S64s(values) => values.get(row).map(|value| *value as f64),
            Values::Texts(_) => None,
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| match &column.values {
            Values::F64s(values) => values.len(),
            Values::S64s(values) => values.len(),
            Values::Texts(texts) => texts.ends.len(),
        })
    }
}
