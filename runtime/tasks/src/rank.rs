/// A rank in an order that has no gaps: the bits of the number, so turned that they compare as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

const SIGN: u64 = 1 << 63;

impl Rank {
    /// No rank is lower.
    pub(crate) const LOWEST: Self = Self(0);

    /// None where the number is not finite: it would have no place.
    pub(crate) fn new(rank: f64) -> Option<Self> {
        rank.is_finite().then(|| Self::turned(rank))
    }

    /// A small whole number has a place.
    pub(crate) fn whole(rank: u8) -> Self {
        Self::turned(f64::from(rank))
    }

    fn turned(rank: f64) -> Self {
        // Minus zero is zero: two equal ranks keep the order in which they were accepted.
        let bits = (rank + 0.0).to_bits();
        Self(if bits & SIGN == 0 { bits | SIGN } else { !bits })
    }

    pub(crate) fn value(self) -> f64 {
        f64::from_bits(if self.0 & SIGN == 0 { !self.0 } else { self.0 & !SIGN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_compare_as_their_numbers_do() {
        let numbers = [f64::MIN, -1e9, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 1.0, 4.0, f64::MAX];
        for (at, number) in numbers.iter().enumerate() {
            let rank = Rank::new(*number).unwrap();
            assert_eq!(rank.value(), *number);
            assert!(numbers[..at].iter().all(|less| Rank::new(*less).unwrap() < rank));
        }
        assert_eq!(Rank::new(-0.0), Rank::new(0.0));
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Rank::new), [None; 3]);
    }
}
