use std::fmt;

use super::RouteSpec;

/// Requests that a route takes: of one host, or of any, below one path. On a gateway every claim has one route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteClaim {
    /// In lower case; none: every host that no other route names.
    pub host: Option<String>,
    /// The path and everything below.
    pub path_prefix: String,
}

impl RouteSpec {
    /// What it takes. Two routes with one claim in common cannot be on one gateway.
    pub fn claims(&self) -> impl Iterator<Item = RouteClaim> {
        let claim = |host: Option<String>| RouteClaim { host, path_prefix: self.path_prefix.clone() };
        let any = self.hosts.is_empty().then(|| claim(None));
        self.hosts.iter().map(move |host| claim(Some(host.to_ascii_lowercase()))).chain(any)
    }
}

impl fmt::Display for RouteClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.host.as_deref().unwrap_or("any host"), self.path_prefix)
    }
}
