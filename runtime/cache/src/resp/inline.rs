/// Splits a line into words as Redis does for people who type into a socket: double quotes know escapes (`\n`, `\x00`),
/// single quotes only `\'`, and a closing quote ends its word. Words are appended to `arena`; their ranges come back.
/// None: a quote is not closed.
pub(super) fn split(line: &[u8], arena: &mut Vec<u8>, words: &mut Vec<(usize, usize)>) -> Option<()> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start_c();
        if rest.is_empty() {
            return Some(());
        }
        let start = arena.len();
        rest = word(rest, arena)?;
        words.push((start, arena.len()));
    }
}

/// What C's `isspace` takes for space: one more than Rust's, the vertical tab.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &Self;
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &Self {
        let spaces = self.iter().take_while(|byte| is_space(**byte)).count();
        self.get(spaces..).unwrap_or_default()
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Reads one word and returns what follows it.
fn word<'a>(mut rest: &'a [u8], arena: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            // A NUL ends a line in Redis, whatever follows.
            [] | [0, ..] => return Some(&[]),
            [b'"', quoted @ ..] => return after_quote(double_quoted(quoted, arena)?),
            [b'\'', quoted @ ..] => return after_quote(single_quoted(quoted, arena)?),
            [byte, after @ ..] if is_space(*byte) => return Some(after),
            [byte, after @ ..] => {
                arena.push(*byte);
                rest = after;
            }
        }
    }
}

/// A closing quote must be followed by a space or nothing.
fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|byte| is_space(*byte) || *byte == 0).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], arena: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                arena.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] if *escaped != 0 => {
                arena.push(unescape(*escaped));
                after
            }
            [byte, after @ ..] => {
                arena.push(*byte);
                after
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], arena: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] | [0, ..] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                arena.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                arena.push(*byte);
                after
            }
        };
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        other => other.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_redis_does() {
        type Words<'a> = Option<&'a [&'a [u8]]>;
        let cases: [(&[u8], Words<'_>); 12] = [
            (b"", Some(&[])),
            (b"  \t ", Some(&[])),
            (b"GET key", Some(&[b"GET", b"key"])),
            (b"  GET\x0b key  ", Some(&[b"GET", b"key"])),
            (br#"SET k "a b""#, Some(&[b"SET", b"k", b"a b"])),
            (br#"SET k "\x41\n\q""#, Some(&[b"SET", b"k", b"A\nq"])),
            (br"SET k 'it\'s \n'", Some(&[b"SET", b"k", br"it's \n"])),
            (br#"SET k """#, Some(&[b"SET", b"k", b""])),
            (br#"pre"fix""#, Some(&[b"prefix"])),
            (br#"SET k "open"#, None),
            (br#"SET k "a"b"#, None),
            (b"SET k 'open", None),
        ];
        for (line, expected) in cases {
            let (mut arena, mut words) = (Vec::new(), Vec::new());
            let split = split(line, &mut arena, &mut words);
            let got: Vec<&[u8]> = words.iter().map(|(start, end)| &arena[*start..*end]).collect();
            match expected {
                Some(expected) => assert_eq!((split, got.as_slice()), (Some(()), expected), "{line:?}"),
                None => assert_eq!(split, None, "{line:?}"),
            }
        }
    }
}
