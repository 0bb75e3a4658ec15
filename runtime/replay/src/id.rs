//! Ids as strategies see them.
//!
//! Traces often number objects in the order of their first appearance, so that an id tells whether it was ever seen
//! before. Hashed, it tells nothing, like the keyed hashes that a node gives to plugins.

/// Fixed, so that a replay gives the same figures everywhere.
const SALT: u64 = 0x5377_6974_6368_7961;

/// Bytes taken in at once.
const CHUNK_BYTES: usize = 8;

/// The id of a numbered object. Different numbers never share one.
pub fn of_number(number: u64) -> u64 {
    splitmix64(number ^ SALT)
}

/// The id of an object named by text. A plain decimal number has the same id as in a binary trace.
pub fn of_text(text: &str) -> u64 {
    match text.parse::<u64>() {
        Ok(number) if is_plain(text) => of_number(number),
        _ => of_bytes(text.as_bytes()),
    }
}

/// `007` and `+7` are names of their own.
fn is_plain(text: &str) -> bool {
    text == "0" || text.bytes().next().is_some_and(|first| matches!(first, b'1'..=b'9'))
}

fn of_bytes(bytes: &[u8]) -> u64 {
    let mix = |state: u64, chunk: &[u8]| {
        let mut word = [0; CHUNK_BYTES];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        splitmix64(state ^ u64::from_le_bytes(word))
    };
    bytes.chunks(CHUNK_BYTES).fold(splitmix64(SALT ^ bytes.len() as u64), mix)
}

/// The output function of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014): a
/// bijection of 64 bits.
pub fn splitmix64(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_number_is_the_same_object_in_text_and_binary() {
        for number in [0, 7, 4_294_967_295, u64::MAX] {
            assert_eq!(of_text(&number.to_string()), of_number(number));
        }
    }

    #[test]
    fn names_that_differ_are_different_objects() {
        let names = ["7", "07", "+7", "", "a", "a\0", "aaaaaaaa", "aaaaaaaaa", "18446744073709551616", "é"];
        assert_eq!(names.iter().map(|name| of_text(name)).collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn splitmix64_gives_the_published_sequence() {
        // The first outputs of the generator seeded with 1234567, whose state grows by the same constant.
        assert_eq!(splitmix64(1_234_567), 6_457_827_717_110_365_317);
        assert_eq!(splitmix64(1_234_567_u64.wrapping_add(0x9e37_79b9_7f4a_7c15)), 3_203_168_211_198_807_973);
    }
}
