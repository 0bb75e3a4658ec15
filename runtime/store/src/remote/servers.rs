use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

use crate::StoreError;

/// The servers that a node may ask, one at a time: the one that answered last, and after a failure the next. Nodes begin at
/// different ones.
#[derive(Debug)]
pub struct Servers {
    urls: Vec<Url>,
    current: AtomicUsize,
}

impl Servers {
    /// From addresses such as `http://10.0.0.1:7070`.
    pub fn new<S: AsRef<str>>(urls: impl IntoIterator<Item = S>) -> Result<Self, StoreError> {
        let urls = urls.into_iter().map(|url| parse(url.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            return Err(StoreError::Invalid("no server is given: expected http://HOST:PORT".to_owned()));
        }
        let first = fastrand::usize(..urls.len());
        Ok(Self { urls, current: AtomicUsize::new(first) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.urls.len()
    }

    /// The one to ask, and the mark to give to [`Self::failed`].
    pub fn current(&self) -> (usize, &Url) {
        let mark = self.current.load(Ordering::Relaxed) % self.urls.len();
        // The remainder is in range: there is at least one.
        #[allow(clippy::indexing_slicing, reason = "the remainder is in range")]
        (mark, &self.urls[mark])
    }

    /// The marked one did not answer: the next one is asked from now on, unless somebody has moved on already.
    pub fn failed(&self, mark: usize) {
        let next = (mark + 1) % self.urls.len();
        let _ = self.current.compare_exchange(mark, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn parse(url: &str) -> Result<Url, StoreError> {
    let wrong = || StoreError::Invalid(format!("the server {:?} is not valid: expected http://HOST:PORT", shown(url)));
    let parsed = Url::parse(url).map_err(|_| wrong())?;
    if parsed.scheme() != "http" || parsed.host().is_none() || parsed.path() != "/" {
        return Err(wrong());
    }
    Ok(parsed)
}

fn shown(url: &str) -> String {
    url.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_asked_until_it_fails_and_then_the_next() {
        let servers = Servers::new(["http://a:1", "http://b:2/"]).unwrap();
        let (mark, first) = servers.current();
        let first = first.clone();
        servers.failed(mark);
        servers.failed(mark);
        assert_ne!(*servers.current().1, first, "a second report of one failure moves nobody");
        servers.failed(servers.current().0);
        assert_eq!(*servers.current().1, first);
    }

    #[test]
    fn an_address_is_checked() {
        for wrong in ["", "a:1", "https://a:1", "http://", "http://a:1/path", "ftp://a"] {
            assert!(Servers::new([wrong]).is_err(), "{wrong}");
        }
        assert!(Servers::new(Vec::<String>::new()).is_err());
    }
}
