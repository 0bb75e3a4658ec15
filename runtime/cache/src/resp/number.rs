/// Reads an integer as Redis does: an optional minus and digits, without a plus, spaces or leading zeros.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    digits
        .iter()
        .try_fold(0_i64, |value, byte| {
            let digit = i64::from(byte.wrapping_sub(b'0'));
            if digit > 9 {
                return None;
            }
            // Negative values reach one further than positive ones, so the sum runs on their side.
            value.checked_mul(10)?.checked_sub(digit)
        })
        .and_then(|value| if negative { Some(value) } else { value.checked_neg() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_strict() {
        for bad in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "00",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "/",
            "1:",
        ] {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_is_read(value: i64) {
            prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }

    #[test]
    fn the_ends_of_the_range_are_read() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }
}
