use std::collections::HashSet;

use http::{HeaderName, Method, Uri, uri::Authority};

use super::RouteSpec;
use crate::GatewayError;

/// Routes of one gateway.
pub(super) const ROUTES_MAX: usize = 1_024;
/// Backends of one route: as many as a strategy sees candidates.
const BACKENDS_MAX: usize = 256;
/// Largest share of a backend.
const WEIGHT_MAX: u32 = 1_000;
/// Longest time of any kind, in milliseconds: a day.
const TIME_MAX_MS: u64 = 86_400_000;
/// Tries after the first.
const ATTEMPTS_MAX: u32 = 2;
/// Checks in a row.
const CHECKS_MAX: u32 = 100;
/// Longest name.
const NAME_BYTES_MAX: usize = 253;

/// Refuses what cannot be, with the key, what stands there and what would be right.
pub(super) fn check(spec: &RouteSpec) -> Result<(), GatewayError> {
    let check = Check(&spec.name);
    check.name("name", &spec.name)?;
    for host in &spec.hosts {
        let bare = host.strip_prefix("*.").unwrap_or(host);
        check.that(is_host(bare), "hosts", host, "a host without port, as example.com or *.example.com")?;
    }
    check.path("path_prefix", &spec.path_prefix)?;
    check.backends(spec)?;
    check.health(spec)?;
    check.timeouts(spec)?;
    check.retry(spec)?;
    if let Some(header) = &spec.affinity_header {
        check.that(HeaderName::try_from(header).is_ok(), "affinity_header", header, "the name of a header")?;
    }
    Ok(())
}

struct Check<'a>(&'a str);

impl Check<'_> {
    fn that(&self, holds: bool, key: &str, value: impl ToString, right: &str) -> Result<(), GatewayError> {
        if holds {
            return Ok(());
        }
        let (route, key) = (self.0.to_owned(), key.to_owned());
        Err(GatewayError::Route { route, key, value: value.to_string(), right: format!("it takes {right}") })
    }

    fn name(&self, key: &str, name: &str) -> Result<(), GatewayError> {
        let good = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
        self.that(good, key, format!("{name:?}"), "1 to 253 visible ASCII characters")
    }

    fn path(&self, key: &str, path: &str) -> Result<(), GatewayError> {
        let good = path.starts_with('/') && path.parse::<Uri>().is_ok() && !path.contains(['?', '#']);
        self.that(good, key, format!("{path:?}"), "a path that begins with / and has no query")
    }

    fn within<T: PartialOrd + ToString + Copy>(&self, key: &str, value: T, from: T, to: T) -> Result<(), GatewayError> {
        let right = format!("{} to {}", from.to_string(), to.to_string());
        self.that(from <= value && value <= to, key, value.to_string(), &right)
    }

    fn backends(&self, spec: &RouteSpec) -> Result<(), GatewayError> {
        self.within("backends", spec.backends.len(), 1, BACKENDS_MAX)?;
        let mut names = HashSet::new();
        for (at, backend) in spec.backends.iter().enumerate() {
            let key = |key: &str| format!("backends[{at}].{key}");
            self.name(&key("name"), &backend.name)?;
            self.that(names.insert(&backend.name), &key("name"), &backend.name, "a name that no other backend has")?;
            let address = format!("{:?}", backend.address);
            self.that(is_address(&backend.address), &key("address"), address, "host:port with a port from 1 to 65535")?;
            self.within(&key("weight"), backend.weight, 1, WEIGHT_MAX)?;
        }
        Ok(())
    }

    fn health(&self, spec: &RouteSpec) -> Result<(), GatewayError> {
        let health = &spec.health;
        if let Some(path) = &health.path {
            let good = path.starts_with('/') && path.parse::<Uri>().is_ok();
            self.that(good, "health.path", format!("{path:?}"), "a path that begins with /")?;
        }
        self.within("health.interval_ms", health.interval_ms, 10, TIME_MAX_MS)?;
        self.within("health.timeout_ms", health.timeout_ms, 1, TIME_MAX_MS)?;
        self.within("health.healthy_after", health.healthy_after, 1, CHECKS_MAX)?;
        self.within("health.unhealthy_after", health.unhealthy_after, 1, CHECKS_MAX)
    }

    fn timeouts(&self, spec: &RouteSpec) -> Result<(), GatewayError> {
        let times = &spec.timeouts;
        self.within("timeouts.connect_ms", times.connect_ms, 1, TIME_MAX_MS)?;
        self.within("timeouts.response_ms", times.response_ms, 1, TIME_MAX_MS)?;
        self.within("timeouts.idle_ms", times.idle_ms, 1, TIME_MAX_MS)?;
        self.within("timeouts.total_ms", times.total_ms.unwrap_or(1), 1, TIME_MAX_MS)
    }

    fn retry(&self, spec: &RouteSpec) -> Result<(), GatewayError> {
        self.within("retry.attempts", spec.retry.attempts, 0, ATTEMPTS_MAX)?;
        for method in &spec.retry.methods {
            let good = Method::from_bytes(method.as_bytes()).is_ok();
            self.that(good, "retry.methods", format!("{method:?}"), "methods of HTTP")?;
        }
        Ok(())
    }
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let literal = host.starts_with('[') && host.ends_with(']');
    let named = !host.is_empty() && host.len() <= NAME_BYTES_MAX && host.bytes().all(plain);
    named || (literal && host.parse::<Authority>().is_ok())
}

fn is_address(address: &str) -> bool {
    let Ok(authority) = address.parse::<Authority>() else { return false };
    let port = authority.port_u16().is_some_and(|port| port > 0);
    port && !authority.host().is_empty() && !address.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BackendSpec, HealthSpec, LimitSpec, Protocol, RetrySpec, TimeoutSpec};

    fn good() -> RouteSpec {
        RouteSpec {
            name: "shop".to_owned(),
            hosts: vec!["example.com".to_owned(), "*.example.org".to_owned()],
            path_prefix: "/shop".to_owned(),
            backends: vec![BackendSpec { name: "a".to_owned(), address: "127.0.0.1:80".to_owned(), weight: 1 }],
            protocol: Protocol::Http1,
            health: HealthSpec::default(),
            timeouts: TimeoutSpec::default(),
            retry: RetrySpec::default(),
            affinity_header: None,
            limits: LimitSpec::default(),
        }
    }

    fn check_one(change: impl FnOnce(&mut RouteSpec), expected: &str) {
        let mut spec = good();
        change(&mut spec);
        let said = check(&spec).expect_err("it is wrong").to_string();
        assert_eq!(said, format!("route {:?}: {expected}", spec.name));
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(&good()).expect("it is right");
        check_one(|s| s.name.clear(), "name is \"\": it takes 1 to 253 visible ASCII characters");
        check_one(
            |s| s.hosts = vec!["a:80".to_owned()],
            "hosts is a:80: it takes a host without port, as example.com or *.example.com",
        );
        check_one(
            |s| s.path_prefix = "shop".to_owned(),
            "path_prefix is \"shop\": it takes a path that begins with / and has no query",
        );
        check_one(|s| s.backends.clear(), "backends is 0: it takes 1 to 256");
        let twin = |s: &mut RouteSpec| s.backends.extend_from_within(..);
        check_one(twin, "backends[1].name is a: it takes a name that no other backend has");
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
        check_one(|s| s.retry.attempts = 3, "retry.attempts is 3: it takes 0 to 2");
        check_one(|s| s.retry.methods = vec!["G T".to_owned()], "retry.methods is \"G T\": it takes methods of HTTP");
        let header = |s: &mut RouteSpec| s.affinity_header = Some("a b".to_owned());
        check_one(header, "affinity_header is a b: it takes the name of a header");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = r#"{"name":"a","backends":[{"name":"b","address":"h:1"}],"retrys":{}}"#;
        let error = serde_json::from_str::<RouteSpec>(text).expect_err("retrys is no key");
        assert!(error.to_string().contains("unknown field `retrys`"), "{error}");
        let text = text.replace(r#","retrys":{}"#, "");
        let spec: RouteSpec = serde_json::from_str(&text).expect("the rest has defaults");
        check(&spec).expect("the defaults are right");
    }
}
