use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Memory that the unfinished lines of all clients may take together.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicUsize,
    bytes_max: usize,
}

/// What one connection holds of it; it gives it back when it ends.
#[derive(Debug)]
pub(crate) struct Share {
    account: Arc<Account>,
    bytes: usize,
}

impl Account {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes_max })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { account: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Holds exactly so much from now on. False: that is too much, and what was held stays.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let used = &self.account.used;
        let before = used.fetch_add(bytes.saturating_sub(self.bytes), Ordering::Relaxed);
        if bytes > self.bytes && before + (bytes - self.bytes) > self.account.bytes_max {
            used.fetch_sub(bytes - self.bytes, Ordering::Relaxed);
            return false;
        }
        used.fetch_sub(self.bytes.saturating_sub(bytes), Ordering::Relaxed);
        self.bytes = bytes;
        true
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
        assert!(first.hold(60));
        assert!(!second.hold(41));
        assert!(second.hold(40));
        assert!(first.hold(10));
        assert!(second.hold(90));
        drop((first, second));
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }
}
