/// Bytes of a key's first part that can be a namespace. What is longer is no name that anybody chose.
const NAMESPACE_BYTES_MAX: usize = 64;

/// The namespace of a key that follows `{namespace}:{version}:{rest}`: the FNV-1a hash of its first part, 32 bits, never
/// 0; 0 for every other key. It is not keyed and not interned: it is the same on every node, a plugin can compute it
/// from a name in its configuration, and no table of names has to be bounded. Two names may share a number; a policy
/// then treats them alike.
pub fn namespace_of(key: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for (at, byte) in key.iter().take(NAMESPACE_BYTES_MAX + 1).enumerate() {
        if *byte == b':' {
            let rest = key.get(at + 1..).unwrap_or_default();
            return if at > 0 && rest.contains(&b':') { hash.max(1) } else { 0 };
        }
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_needs_two_colons() {
        let user = namespace_of(b"user:1:42");
        assert_eq!(user, fnv(b"user"));
        for (key, expected) in
            [(&b"user:2:other"[..], user), (b"user:2:", user), (b"user:42", 0), (b":1:2", 0), (b"", 0), (b"plain", 0)]
        {
            assert_eq!(namespace_of(key), expected, "{key:?}");
        }
        assert_ne!(namespace_of(b"cart:1:42"), user);
        let long = [b'x'; NAMESPACE_BYTES_MAX].iter().chain(b":1:2").copied().collect::<Vec<u8>>();
        assert_ne!(namespace_of(&long), 0);
        assert_eq!(namespace_of(&[&b"x"[..], &long].concat()), 0);
    }

    fn fnv(name: &[u8]) -> u32 {
        name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    }
}
