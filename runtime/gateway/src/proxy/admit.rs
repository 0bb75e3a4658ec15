use std::net::Ipv6Addr;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts, uri::Authority};

use super::{headers, problem::Problem};
use crate::client::Peer;

/// Refuses what no route could take, and says which host the request is for, as the backend will read it.
pub(crate) fn admit(head: &mut Parts, peer: &Peer) -> Result<Option<HeaderValue>, Problem> {
    if head.method == Method::CONNECT {
        return Err(Problem::closing(StatusCode::NOT_IMPLEMENTED, "CONNECT is not served here"));
    }
    if peer.framing.has_both() {
        let both = "the request has Content-Length and Transfer-Encoding";
        return Err(Problem::closing(StatusCode::BAD_REQUEST, both));
    }
    let host = host(&head.uri, &head.headers, head.version)?;
    if head.headers.contains_key(header::VIA) && headers::loops(&head.headers) {
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "the request has passed too many gateways: a loop"));
    }
    if let Some(host) = &host
        && head.uri.authority().is_some()
    {
        head.headers.insert(header::HOST, host.clone());
    }
    Ok(host)
}

/// One host, from the target where it has one (RFC 9112, section 3.2.2), else from the header.
fn host(uri: &Uri, headers: &HeaderMap, version: Version) -> Result<Option<HeaderValue>, Problem> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Problem::closing(StatusCode::BAD_REQUEST, "the request names its host twice"));
    }
    if line.is_none() && version == Version::HTTP_11 {
        return Err(Problem::closing(StatusCode::BAD_REQUEST, "the request names no host"));
    }
    let wrong = Problem::closing(StatusCode::BAD_REQUEST, "the host of the request is none");
    match (uri.authority(), line) {
        (Some(authority), _) if is_host(authority.as_str()) => {
            HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| wrong)
        }
        // An empty header is one where the target has no host (RFC 9110, section 7.2).
        (None, Some(line)) if line.is_empty() || line.to_str().is_ok_and(is_host) => Ok(Some(line.clone())),
        (None, None) => Ok(None),
        _ => Err(wrong),
    }
}

/// A host, and a port where there is a colon; no user name. Wherever it came from: the backend reads it as a part of a
/// target.
fn is_host(text: &str) -> bool {
    let (host, port) = split(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let named = !host.is_empty() && (host.bytes().all(plain) || is_unusual_host(host));
    named && port.is_none_or(is_port)
}

#[cold]
fn is_unusual_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => !host.contains(['@', ':']) && Authority::try_from(host).is_ok(),
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Host, and port where there is one.
fn split(text: &str) -> (&str, Option<&str>) {
    let colon = text.rfind(':').filter(|_| !text.ends_with(']'));
    colon.and_then(|colon| text.split_at_checked(colon)).map_or((text, None), |(host, port)| (host, port.get(1..)))
}

/// A host without its port.
pub(crate) fn without_port(host: &HeaderValue) -> Option<&str> {
    host.to_str().ok().map(|host| split(host).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_host_wherever_it_stands() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_host(text), expected, "{text:?}");
            // What is a host makes a target for HTTP/2.
            assert!(!expected || Uri::builder().scheme("http").authority(text).path_and_query("/").build().is_ok());
        };
        for good in ["a", "a.example.com", "a:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b", "a.:1"] {
            check(good, true);
        }
        for bad in [
            "", ":80", "a:", "a:b", "a:80:80", "a:99999", "a:+80", "u@a", "u:p@a:80", "[::1", "[a]", "::1", "a b", "[]",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn a_port_is_no_part_of_a_host() {
        for (text, expected) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(&HeaderValue::from_static(text)), Some(expected));
        }
    }
}
