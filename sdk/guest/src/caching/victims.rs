/// The residents that one `store` gives up, in order. A buffer of fixed size that is used again at every call: naming
/// victims allocates nothing.
#[derive(Debug, Clone)]
pub struct Victims {
    ids: [u64; Self::MAX],
    len: usize,
}

impl Default for Victims {
    fn default() -> Self {
        Self::new()
    }
}

impl Victims {
    /// Victims that one decision may name.
    pub const MAX: usize = 1_024;

    /// Nobody.
    pub const fn new() -> Self {
        Self { ids: [0; Self::MAX], len: 0 }
    }

    /// Names a victim. False: [`Self::MAX`] are named already and this one is not; the host makes the rest of the room by its
    /// fallback and says so by `Removed` events.
    pub fn push(&mut self, id: u64) -> bool {
        match self.ids.get_mut(self.len) {
            Some(place) => {
                *place = id;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Whether no more can be named.
    pub fn is_full(&self) -> bool {
        self.len == Self::MAX
    }

    /// The victims named so far.
    pub fn as_slice(&self) -> &[u64] {
        self.ids.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_victim_too_many_is_not_taken() {
        let mut victims = Victims::new();
        assert!((0..1_024).all(|id| victims.push(id)) && victims.is_full());
        assert!(!victims.push(1_024));
        assert_eq!(victims.as_slice(), (0..1_024).collect::<Vec<_>>());
        victims.clear();
        assert!(victims.as_slice().is_empty());
    }
}
