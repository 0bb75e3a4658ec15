use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::output::inert;

/// A table for people: a head, and rows whose texts are made inert. Columns named in `right` hold numbers.
pub(crate) fn table(head: &[&str], right: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|text| Cell::new(inert(text))));
    }
    for (index, name) in head.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if right.contains(name) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.trim_fmt()
}

/// Rows that are shown one by one, as they come: columns grow with what has been in them.
#[derive(Default)]
pub(crate) struct Rolling(Vec<usize>);

impl Rolling {
    /// A row as a line; its texts are made inert.
    pub(crate) fn row(&mut self, row: &[String]) -> String {
        let mut line = String::new();
        for (place, text) in row.iter().enumerate() {
            let text = inert(text);
            let chars = text.chars().count();
            if place >= self.0.len() {
                self.0.push(0);
            }
            if let Some(width) = self.0.get_mut(place) {
                *width = chars.max(*width);
                line.push_str(&format!("{text:<width$}  ", width = *width));
            }
        }
        line.trim_end().to_owned()
    }
}

/// Names and values, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{name:<width$}  {}", inert(value))).collect();
    lines.join("\n")
}

/// How long something has been so: whole seconds up to two minutes, then minutes, then hours.
pub(crate) fn age(ms: u64) -> String {
    match ms / 1_000 {
        seconds if seconds < 120 => format!("{seconds}s"),
        seconds if seconds < 7_200 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right_and_foreign_text_is_inert() {
        let rows = [vec!["a\u{7}".to_owned(), "1".to_owned()], vec!["bb".to_owned(), "100".to_owned()]];
        assert_eq!(table(&["name", "hits"], &["hits"], rows), "NAME    HITS\na\\u{7}     1\nbb       100");
        let mut rolling = Rolling::default();
        let mut row = |row: [&str; 2]| rolling.row(&row.map(str::to_owned));
        assert_eq!([row(["a", "b"]), row(["long\u{7}", "b"]), row(["a", ""])], ["a  b", "long\\u{7}  b", "a"]);
        assert_eq!([0, 119_999, 120_000, 7_200_000].map(age), ["0s", "119s", "2m", "2h"]);
        assert_eq!(pairs(&[("a", "1".to_owned()), ("long", "2".to_owned())]), "a     1\nlong  2");
    }
}
