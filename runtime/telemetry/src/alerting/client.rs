use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

use super::WebhookConfig;
use crate::TelemetryError;

/// How long a call of a webhook may take.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// How long its connection may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// A client that follows no redirect, uses no proxy, and reaches the node's own networks only where it may.
pub(super) fn client(config: &WebhookConfig) -> Result<(Client, Url), TelemetryError> {
    let url = checked(config)?;
    let builder = Client::builder().redirect(Policy::none()).no_proxy();
    let builder = builder.timeout(CALL_TIME_MAX).connect_timeout(CONNECT_TIME_MAX);
    let builder = if config.internal { builder } else { builder.dns_resolver(PublicOnly) };
    Ok((builder.build().map_err(TelemetryError::Client)?, url))
}

fn checked(config: &WebhookConfig) -> Result<Url, TelemetryError> {
    let refused = |reason| TelemetryError::Webhook { url: without_secrets(&config.url), reason };
    let url = Url::parse(&config.url).map_err(|_| refused("it is no URL"))?;
    if url.scheme() != "http" {
        return Err(refused("only http can be called"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // A name is looked at when it is resolved, an address is not resolved at all.
    let internal = host.parse().is_ok_and(|address: IpAddr| is_internal(address));
    if internal && !config.internal {
        return Err(refused("its address is internal: allow internal addresses if it is meant"));
    }
    Ok(url)
}

/// An address for messages: user, password, path and query may hold secrets.
fn without_secrets(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// Resolves names to addresses that are not internal. What is connected to is what was looked at: it is resolved once.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = found.into_iter().filter(|address| !is_internal(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other("the name has no address that is not internal").into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address belongs to this machine or to a network behind it.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or_else(
            || {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_multicast()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            },
            is_internal_v4,
        ),
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    // 100.64.0.0/10 is what carriers put their customers behind, 0.0.0.0/8 is this network.
    let shared = first == 100 && (64..128).contains(&second);
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || first == 0
        || shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, internal: bool, expected: bool) {
        let config = WebhookConfig { url: url.to_owned(), internal };
        assert_eq!(checked(&config).is_ok(), expected, "{url}");
    }

    #[test]
    fn internal_addresses_must_be_allowed() {
        for url in [
            "http://127.0.0.1/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest",
            "http://100.64.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fd00::1]/",
            "http://0x7f.1/",
        ] {
            check(url, false, false);
            check(url, true, true);
        }
        check("http://192.0.2.1/hook", false, true);
        check("http://hooks.example/x", false, true);
        check("ftp://hooks.example/x", true, false);
        check("nonsense", true, false);
    }

    #[test]
    fn an_error_tells_no_secret() {
        let config = WebhookConfig { url: "https://user:word@hooks.example/t0ken?key=1".to_owned(), internal: true };
        let text = checked(&config).unwrap_err().to_string();
        assert!(text.contains("hooks.example") && !text.contains("word") && !text.contains("t0ken"), "{text}");
    }
}
