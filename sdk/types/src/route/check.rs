use std::{collections::HashSet, net::Ipv6Addr};

use http::{HeaderName, Method, Uri, uri::Authority};

use super::{RouteSpec, claim::canonical};

/// Backends of one route: as many as a strategy sees candidates.
pub const BACKENDS_MAX: usize = 256;
/// Largest share of a backend.
const WEIGHT_MAX: u32 = 1_000;
/// Longest time of any kind, in milliseconds: a day.
const TIME_MAX_MS: u64 = 86_400_000;
/// Tries after the first.
const ATTEMPTS_MAX: u32 = 2;
/// Checks in a row.
const CHECKS_MAX: u32 = 100;
/// Methods that may be carried out twice.
const METHODS_MAX: usize = 64;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// Requests at once to one backend: about as many as there are ports towards one address.
const CONNECTIONS_MAX: u32 = 65_536;
/// Longest part of a name between two dots, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Hosts of one route.
const HOSTS_MAX: usize = 256;
/// Characters of a foreign text that a message repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// Where a route says something that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}: it takes {right}")]
pub struct RouteSpecError {
    /// The key of the specification.
    pub key: String,
    /// What stands there.
    pub value: String,
    /// What would be right.
    pub right: String,
}

type Checked = Result<(), RouteSpecError>;

impl RouteSpec {
    /// Refuses what cannot be, with the key, what stands there and what would be right.
    pub fn check(&self) -> Checked {
        within("hosts", self.hosts.len(), 0, HOSTS_MAX)?;
        for (at, host) in self.hosts.iter().enumerate() {
            let bare = host.strip_prefix("*.").unwrap_or(host);
            let right = "a host without port, as example.com or *.example.com";
            that(is_host(bare), &format!("hosts[{at}]"), quoted(host), right)?;
            let earlier = self.hosts.iter().take(at).any(|earlier| canonical(earlier) == canonical(host));
            that(!earlier, &format!("hosts[{at}]"), quoted(host), "each host once")?;
        }
        path("path_prefix", &self.path_prefix)?;
        self.check_backends()?;
        self.check_health()?;
        self.check_timeouts()?;
        self.check_retry()?;
        within("limits.connections_max", self.limits.connections_max, 1, CONNECTIONS_MAX)?;
        match &self.affinity_header {
            None => Ok(()),
            Some(header) => {
                let good = HeaderName::try_from(header).is_ok();
                that(good, "affinity_header", quoted(header), "the name of a header")
            }
        }
    }

    fn check_backends(&self) -> Checked {
        within("backends", self.backends.len(), 1, BACKENDS_MAX)?;
        let mut names = HashSet::new();
        for (at, backend) in self.backends.iter().enumerate() {
            let key = |key: &str| format!("backends[{at}].{key}");
            name(&key("name"), &backend.name)?;
            let is_new = names.insert(&backend.name);
            that(is_new, &key("name"), quoted(&backend.name), "a name that no other backend has")?;
            let right = "host:port with a port from 1 to 65535";
            that(is_address(&backend.address), &key("address"), quoted(&backend.address), right)?;
            within(&key("weight"), backend.weight, 1, WEIGHT_MAX)?;
        }
        Ok(())
    }

    fn check_health(&self) -> Checked {
        let health = &self.health;
        if let Some(path) = &health.path {
            let good = path.starts_with('/') && path.parse::<Uri>().is_ok();
            that(good, "health.path", quoted(path), "a path that begins with /")?;
        }
        within("health.interval_ms", health.interval_ms, 10, TIME_MAX_MS)?;
        within("health.timeout_ms", health.timeout_ms, 1, TIME_MAX_MS)?;
        within("health.healthy_after", health.healthy_after, 1, CHECKS_MAX)?;
        within("health.unhealthy_after", health.unhealthy_after, 1, CHECKS_MAX)
    }

    fn check_timeouts(&self) -> Checked {
        let times = &self.timeouts;
        within("timeouts.connect_ms", times.connect_ms, 1, TIME_MAX_MS)?;
        within("timeouts.response_ms", times.response_ms, 1, TIME_MAX_MS)?;
        within("timeouts.idle_ms", times.idle_ms, 1, TIME_MAX_MS)?;
        within("timeouts.total_ms", times.total_ms.unwrap_or(1), 1, TIME_MAX_MS)
    }

    fn check_retry(&self) -> Checked {
        within("retry.attempts", self.retry.attempts, 0, ATTEMPTS_MAX)?;
        within("retry.methods", self.retry.methods.len(), 0, METHODS_MAX)?;
        for method in &self.retry.methods {
            let good = Method::from_bytes(method.as_bytes()).is_ok();
            that(good, "retry.methods", quoted(method), "methods of HTTP")?;
        }
        Ok(())
    }
}

fn that(holds: bool, key: &str, value: impl ToString, right: &str) -> Checked {
    if holds {
        return Ok(());
    }
    Err(RouteSpecError { key: key.to_owned(), value: value.to_string(), right: right.to_owned() })
}

fn within<T: PartialOrd + ToString + Copy>(key: &str, value: T, from: T, to: T) -> Checked {
    let right = format!("{} to {}", from.to_string(), to.to_string());
    that(from <= value && value <= to, key, value.to_string(), &right)
}

fn name(key: &str, name: &str) -> Checked {
    let good = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
    that(good, key, quoted(name), "1 to 253 visible ASCII characters")
}

fn path(key: &str, path: &str) -> Checked {
    let good = path.starts_with('/') && path.parse::<Uri>().is_ok() && !path.contains(['?', '#']);
    that(good, key, quoted(path), "a path that begins with / and has no query")
}

/// A foreign text as a message may repeat it: no control character reaches a terminal.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
}

/// A name of labels (RFC 1035, section 2.3.1; a dot at the end says that nothing follows), or an address.
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok();
    }
    host.len() <= NAME_BYTES_MAX && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let long = (1..=LABEL_BYTES_MAX).contains(&label.len());
    long && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_address(address: &str) -> bool {
    let Ok(authority) = address.parse::<Authority>() else { return false };
    let port = authority.port_u16().is_some_and(|port| port > 0);
    port && !authority.host().is_empty() && !address.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> RouteSpec {
        let text = r#"{"hosts":["example.com","*.example.org"],"path_prefix":"/shop",
                       "backends":[{"name":"a","address":"127.0.0.1:80"}]}"#;
        serde_json::from_str(text).expect("a route")
    }

    fn check_one(change: impl FnOnce(&mut RouteSpec), expected: &str) {
        let mut spec = good();
        change(&mut spec);
        assert_eq!(spec.check().expect_err("it is wrong").to_string(), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        good().check().expect("it is right");
        check_one(
            |s| s.hosts = vec!["a:80".to_owned()],
            "hosts[0] is \"a:80\": it takes a host without port, as example.com or *.example.com",
        );
        check_one(|s| s.hosts.push("EXAMPLE.com".to_owned()), "hosts[2] is \"EXAMPLE.com\": it takes each host once");
        check_one(|s| s.hosts.push("example.com.".to_owned()), "hosts[2] is \"example.com.\": it takes each host once");
        for host in [".example.com", "a..b", "-.-", "-a.b", "a-.b", "*.*.a", "*", "a.b..", ".", "[x]", ""] {
            let right = "it takes a host without port, as example.com or *.example.com";
            check_one(|s| s.hosts = vec![host.to_owned()], &format!("hosts[0] is {host:?}: {right}"));
        }
        let mut unusual = good();
        unusual.hosts = ["a_b.c", "xn--a.b", "127.0.0.1", "[::1]", "*.example.com."].map(str::to_owned).to_vec();
        unusual.check().expect("these are hosts");
        check_one(
            |s| s.path_prefix = "shop".to_owned(),
            "path_prefix is \"shop\": it takes a path that begins with / and has no query",
        );
        check_one(|s| s.backends.clear(), "backends is 0: it takes 1 to 256");
        let twin = |s: &mut RouteSpec| s.backends.extend_from_within(..);
        check_one(twin, "backends[1].name is \"a\": it takes a name that no other backend has");
        for address in ["", "host", "host:0", "http://host:80", "a@host:80", "host:99999"] {
            let change = |s: &mut RouteSpec| s.backends[0].address = address.to_owned();
            let right = "it takes host:port with a port from 1 to 65535";
            check_one(change, &format!("backends[0].address is {address:?}: {right}"));
        }
        check_one(|s| s.backends[0].weight = 0, "backends[0].weight is 0: it takes 1 to 1000");
        check_one(|s| s.health.interval_ms = 1, "health.interval_ms is 1: it takes 10 to 86400000");
        check_one(|s| s.health.path = Some("x".to_owned()), "health.path is \"x\": it takes a path that begins with /");
        check_one(|s| s.timeouts.connect_ms = 0, "timeouts.connect_ms is 0: it takes 1 to 86400000");
        check_one(|s| s.timeouts.total_ms = Some(0), "timeouts.total_ms is 0: it takes 1 to 86400000");
        let right = "it takes 1 to 65536";
        check_one(|s| s.limits.connections_max = 0, &format!("limits.connections_max is 0: {right}"));
        check_one(|s| s.retry.attempts = 3, "retry.attempts is 3: it takes 0 to 2");
        check_one(|s| s.retry.methods = vec!["G T".to_owned()], "retry.methods is \"G T\": it takes methods of HTTP");
        let header = |s: &mut RouteSpec| s.affinity_header = Some("a b".to_owned());
        check_one(header, "affinity_header is \"a b\": it takes the name of a header");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = r#"{"backends":[{"name":"b","address":"h:1"}],"retrys":{}}"#;
        let error = serde_json::from_str::<RouteSpec>(text).expect_err("retrys is no key");
        assert!(error.to_string().contains("unknown field `retrys`"), "{error}");
        let text = text.replace(r#","retrys":{}"#, "");
        let spec: RouteSpec = serde_json::from_str(&text).expect("the rest has defaults");
        spec.check().expect("the defaults are right");
    }
}
