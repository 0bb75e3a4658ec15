use switchyard_replay::id::splitmix64;

const REQUESTS: usize = 800_000;
/// Objects that popularity is spread over, at any time.
const OBJECTS: usize = 60_000;
/// Exponent of the popularity: what web caches are described with.
const SKEW: f64 = 0.9;
/// Requests after which popularity has moved on by one object.
const DRIFT_REQUESTS: u64 = 40;
/// Of so many requests, one belongs to a scan while a scan runs.
const SCAN_SHARE: u64 = 3;
/// Requests from the beginning of one scan to the next.
const SCAN_PERIOD: u64 = 40_000;
/// For how many of these a scan runs.
const SCAN_REQUESTS: u64 = 16_000;
/// Where ids of scanned objects begin: nobody else asks for them.
const SCANNED: u64 = 1 << 40;

/// Zipf-distributed requests whose popular objects change slowly, with scans over objects that are read once.
pub(super) fn ids(seed: u64) -> Vec<u64> {
    let cumulative = zipf();
    let mut random = Random(splitmix64(seed));
    let mut scanned = 0;
    let mut request = |at: u64| {
        if at % SCAN_PERIOD < SCAN_REQUESTS && random.draw().is_multiple_of(SCAN_SHARE) {
            scanned += 1;
            return splitmix64(SCANNED + scanned);
        }
        let point = random.unit();
        let rank = cumulative.partition_point(|sum| *sum < point) as u64;
        splitmix64(rank + at / DRIFT_REQUESTS)
    };
    (0..REQUESTS as u64).map(&mut request).collect()
}

/// Sums of the ranks' probabilities.
fn zipf() -> Vec<f64> {
    let weights = (1..=OBJECTS).map(|rank| (rank as f64).powf(-SKEW));
    let total: f64 = weights.clone().sum();
    let sums = weights.scan(0.0, |sum, weight| {
        *sum += weight / total;
        Some(*sum)
    });
    sums.collect()
}

/// A stream of splitmix64.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        splitmix64(self.0)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
