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

impl<'a> Row<'a> {
    /// Its labels one by one, each as `key="value"`: a comma within a value does not end it.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.labels;
        std::iter::from_fn(move || {
            let label = rest.get(..end_of_label(rest))?;
            rest = rest.get(label.len() + 1..).unwrap_or_default();
            (!label.is_empty()).then_some(label)
        })
    }
}

/// Where the first label ends: at the comma behind its closing quote. A value's own quotes and backslashes are escaped.
fn end_of_label(labels: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |byte: u8| {
        let ends = byte == b',' && !quoted;
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    };
    labels.bytes().position(ends).unwrap_or(labels.len())
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
    fn a_comma_within_a_value_ends_no_label() {
        let check = |labels: &str, expected: &[&str]| {
            let row = Row { series: 1, name: "m", labels, value: 0.0 };
            assert_eq!(row.labels().collect::<Vec<_>>(), expected);
        };
        check("", &[]);
        check(r#"a="1""#, &[r#"a="1""#]);
        check(r#"a="1,2",b="3""#, &[r#"a="1,2""#, r#"b="3""#]);
        check(r#"a="\",b=\"",b="\\",c="""#, &[r#"a="\",b=\"""#, r#"b="\\""#, r#"c="""#]);
    }

    #[test]
    fn strings_are_found_by_their_ends() {
        let texts = Texts { bytes: "cpub=\"\u{e9}\"".into(), ends: vec![3, 3, 9] };
        assert_eq!([0, 1, 2, 3, u32::MAX].map(|index| texts.get(index)), ["cpu", "", "b=\"\u{e9}\"", "", ""]);
    }
}
