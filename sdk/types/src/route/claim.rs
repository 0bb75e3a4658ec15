use std::fmt;

use super::RouteSpec;

/// Requests that a route takes: of one host, or of any, below one path. On a gateway every claim has one route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteClaim {
    /// In lower case and without a dot at the end, `*.` before a pattern; none: every host that no other route names.
    pub host: Option<String>,
    /// The path and everything below.
    pub path_prefix: String,
}

impl RouteSpec {
    /// What it takes. Two routes with one claim in common cannot be on one gateway.
    pub fn claims(&self) -> impl Iterator<Item = RouteClaim> {
        let claim = |host: Option<String>| RouteClaim { host, path_prefix: self.path_prefix.clone() };
        let any = self.hosts.is_empty().then(|| claim(None));
        self.hosts.iter().map(move |host| claim(Some(canonical(host)))).chain(any)
    }
}

/// The one form of a host: in lower case, without the dot at the end that says that nothing follows.
pub(super) fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl fmt::Display for RouteClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.host.as_deref().unwrap_or("any host"), self.path_prefix)
    }
}
