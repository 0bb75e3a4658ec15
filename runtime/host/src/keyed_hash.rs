use std::hash::{BuildHasher as _, RandomState};

/// The keyed hash that turns what clients send into the numbers that strategies see: SipHash-1-3 (Aumasson and Bernstein, 2012,
/// with the rounds that the standard libraries of Rust and Python use). Who does not know the secret can find no two keys with
/// one number, and so cannot make one key push another out, or bring all clients to one backend.
#[derive(Clone, Copy)]
pub struct KeyedHash {
    k0: u64,
    k1: u64,
}

impl std::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedHash")
    }
}

impl KeyedHash {
    /// The hash with this secret. A node keeps its secret: numbers in an exported state mean something after a restart
    /// only with the same one.
    pub fn new(secret: [u8; 16]) -> Self {
        let all = u128::from_le_bytes(secret);
        Self { k0: all as u64, k1: (all >> 64) as u64 }
    }

    /// With a secret of its own, which ends with the process.
    pub fn random() -> Self {
        // The standard library has its secrets from the operating system.
        let secret = RandomState::new();
        Self { k0: secret.hash_one(0), k1: secret.hash_one(1) }
    }

    /// The number of a key.
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

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use super::*;

    #[test]
    fn the_hash_is_siphash_1_3() {
        // The standard library's default hasher is the same function with a secret of zeros.
        let hash = KeyedHash::new([0; 16]);
        for length in 0..100_u8 {
            let key: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let mut peer = DefaultHasher::new();
            peer.write(&key);
            assert_eq!(hash.of(&key), peer.finish(), "{length}");
        }
        assert_ne!(KeyedHash::new([1; 16]).of(b"key"), hash.of(b"key"));
    }

    #[test]
    fn a_random_one_is_like_no_other() {
        let numbers = [KeyedHash::random(), KeyedHash::random(), KeyedHash::new([0; 16])].map(|hash| hash.of(b"key"));
        assert!(numbers[0] != numbers[1] && numbers[0] != numbers[2]);
    }
}
