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
    match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| wrong),
        None => match line {
            Some(line) if is_host(line) => Ok(Some(line.clone())),
            Some(_) => Err(wrong),
            None => Ok(None),
        },
    }
}

/// An empty host is one (RFC 9110, section 7.2), a user name in it is not.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    bytes.iter().all(plain) || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok())
}

/// A host without its port.
pub(crate) fn without_port(host: &HeaderValue) -> Option<&str> {
    let host = host.to_str().ok()?;
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.get(..colon),
        _ => Some(host),
    }
}
