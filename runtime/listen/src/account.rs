use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Memory that all connections together may hold for their clients: requests that are not complete and answers that are
/// not read. What is in work for a moment is not counted.
#[derive(Debug)]
pub struct Account {
    used: AtomicUsize,
    bytes_max: usize,
}

/// The memory is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// What one connection holds of the account; it gives it back when it ends.
#[derive(Debug)]
pub struct Share {
    account: Arc<Account>,
    bytes: usize,
}

impl Account {
    /// An account of so many bytes.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes_max })
    }

    /// For one more connection, which holds nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { account: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Holds exactly so much from now on. Where that is too much, what was held stays.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let used = &self.account.used;
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            let fits = |used: usize| used.checked_add(more).filter(|used| *used <= self.account.bytes_max);
            used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| Exhausted)?;
        } else if bytes < self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_account() {
        let account = Account::new(100);
        let (mut first, mut second) = (account.share(), account.share());
        assert_eq!(first.hold(60), Ok(()));
        assert_eq!(second.hold(41), Err(Exhausted));
        assert_eq!(second.hold(40), Ok(()));
        assert_eq!(first.hold(10), Ok(()));
        assert_eq!(second.hold(90), Ok(()));
        drop(second);
        assert_eq!(account.used.load(Ordering::Relaxed), 10);
        drop(first);
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }
}
