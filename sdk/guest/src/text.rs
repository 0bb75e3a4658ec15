/// Cuts a sentence where its contract would have it cut: it need not cross first.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_cut_in_two() {
        let check = |text: &str, bytes_max, expected: &str| {
            let mut text = text.to_owned();
            cut(&mut text, bytes_max);
            assert_eq!(text, expected);
        };
        check("abc", 3, "abc");
        check("abcd", 3, "abc");
        check("ab\u{e9}", 3, "ab");
        check("\u{e9}", 0, "");
    }
}
