/// The keyed hash that turns keys into ids: SipHash-1-3 (Aumasson and Bernstein, 2012, with the rounds that the standard
/// libraries of Rust and Python use). Who does not know the secret can find no two keys with one id, and so cannot make
/// one key push another out.
#[derive(Clone, Copy)]
pub struct Identity {
    k0: u64,
    k1: u64,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// The hash with this secret. A node keeps its secret: ids in an exported state mean something after a restart only
    /// with the same one.
    pub fn new(secret: [u8; 16]) -> Self {
        let all = u128::from_le_bytes(secret);
        Self { k0: all as u64, k1: (all >> 64) as u64 }
    }

    /// The id of a key.
    #[inline]
    pub fn of(&self, key: &[u8]) -> u64 {
        let mut state = State::new(self.k0, self.k1);
        let (words, rest) = key.as_chunks::<8>();
        for word in words {
            state.absorb(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        state.absorb(u64::from_le_bytes(last) | (key.len() as u64) << 56);
        state.finish()
    }
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn new(k0: u64, k1: u64) -> Self {
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline]
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    #[inline]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    #[inline]
    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

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
    use std::hash::{DefaultHasher, Hasher};

    use super::*;

    #[test]
    fn the_hash_is_siphash_1_3() {
        // The standard library's default hasher is the same function with a secret of zeros.
        let identity = Identity::new([0; 16]);
        for length in 0..100_u8 {
            let key: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let mut peer = DefaultHasher::new();
            peer.write(&key);
            assert_eq!(identity.of(&key), peer.finish(), "{length}");
        }
        assert_ne!(Identity::new([1; 16]).of(b"key"), identity.of(b"key"));
    }

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
