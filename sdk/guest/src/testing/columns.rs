use crate::{
    alerting::{Columns, Row, Texts},
    scoring::{Column, Table, Values},
};

/// The columns of an evaluation with these rows.
pub fn columns(rows: &[Row<'_>]) -> Columns {
    let texts = Texts { bytes: Vec::new(), ends: Vec::new() };
    let (series, name, labels, value) = Default::default();
    let mut columns = Columns { texts, series, name, labels, value };
    for row in rows {
        columns.series.push(row.series);
        columns.value.push(row.value);
        let name = push(&mut columns.texts, row.name);
        let labels = push(&mut columns.texts, row.labels);
        columns.name.push(name);
        columns.labels.push(labels);
    }
    columns
}

fn push(texts: &mut Texts, text: &str) -> u32 {
    texts.bytes.extend_from_slice(text.as_bytes());
    texts.ends.push(texts.bytes.len() as u32);
    texts.ends.len() as u32 - 1
}

/// A table of one row.
pub fn table(name: &str, measures: &[(&str, f64)]) -> Table {
    let column = |(name, value): &(&str, f64)| Column { name: (*name).into(), values: Values::F64s(vec![*value]) };
    Table { name: name.to_owned(), columns: measures.iter().map(column).collect() }
}
