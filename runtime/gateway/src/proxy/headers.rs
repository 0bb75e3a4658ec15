use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header, uri::PathAndQuery};

use crate::client::Peer;

/// What the gateway calls itself in `Via`.
const PSEUDONYM: &str = "switchyard";
const VIA: HeaderValue = HeaderValue::from_static("1.1 switchyard");
const VIA_H2: HeaderValue = HeaderValue::from_static("2 switchyard");
/// Gateways of this kind that a request may pass: more is a loop.
const HOPS_MAX: usize = 8;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTP: HeaderValue = HeaderValue::from_static("http");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const TE: HeaderValue = HeaderValue::from_static("te");

/// Headers that are meant for one connection (RFC 9110, section 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// `Connection` cannot take these away: the message would mean something else to the next one.
const END_TO_END: [HeaderName; 2] = [header::HOST, header::CONTENT_LENGTH];

/// Takes out what was meant for this connection only. A length beside a coding is a lie (RFC 9112, section 6.3): whoever
/// believes it sees other messages than we do.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    if headers.contains_key(header::CONNECTION) {
        strip_named(headers);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cold]
fn strip_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| !END_TO_END.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// How often the request has passed a gateway of this kind.
pub(crate) fn loops(headers: &HeaderMap) -> bool {
    let hops = headers.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    let ours = |hop: &&str| hop.split_whitespace().nth(1) == Some(PSEUDONYM);
    hops.flat_map(|value| value.split(',')).filter(ours).count() >= HOPS_MAX
}

/// Makes a client's headers those of a request to a backend. `Expect` ends here: the client hears 100 when the backend
/// begins to take the body.
pub(crate) fn prepare(headers: &mut HeaderMap, version: Version, host: Option<&HeaderValue>, peer: &Peer) {
    let trailers = headers.remove(header::TE).filter(takes_trailers);
    strip(headers);
    headers.remove(header::EXPECT);
    if trailers.is_some() {
        headers.insert(header::TE, TRAILERS);
    }
    headers.append(header::VIA, if version == Version::HTTP_2 { VIA_H2 } else { VIA });
    headers.append(header::FORWARDED, peer.forwarded.clone());
    forwarded_for(headers, peer);
    headers.insert(X_FORWARDED_PROTO, HTTP);
    match host {
        Some(host) => headers.insert(X_FORWARDED_HOST, host.clone()),
        None => headers.remove(X_FORWARDED_HOST),
    };
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
}

/// On HTTP/1.1, `TE` is for the next connection only, and is so only when `Connection` says it.
pub(crate) fn declare_te(headers: &mut HeaderMap) {
    if headers.contains_key(header::TE) && !headers.contains_key(header::CONNECTION) {
        headers.insert(header::CONNECTION, TE);
    }
}

fn takes_trailers(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// HTTP/2 may send a cookie in pieces, HTTP/1.1 may not (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, whole);
    }
}

/// Our client's address comes last: only from the right can a backend believe the list. One line, because many read only
/// the first.
fn forwarded_for(headers: &mut HeaderMap, peer: &Peer) {
    if !headers.contains_key(X_FORWARDED_FOR) {
        headers.insert(X_FORWARDED_FOR, peer.address.clone());
        return;
    }
    let earlier = headers.get_all(X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    let mut list: Vec<u8> = earlier.flat_map(|value| [value, b", "].concat()).collect();
    list.extend_from_slice(peer.address.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

/// Makes a backend's headers those of an answer to the client.
pub(crate) fn answer(headers: &mut HeaderMap, version: Version) {
    strip(headers);
    headers.append(header::VIA, if version == Version::HTTP_2 { VIA_H2 } else { VIA });
}

/// The target without scheme and host, as a server gets it.
pub(crate) fn origin_form(uri: Uri) -> Uri {
    if uri.scheme().is_none() && uri.authority().is_none() {
        return uri;
    }
    let mut parts = uri.into_parts();
    let path = parts.path_and_query.take().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::from(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn what_is_for_one_connection_goes() {
        let mut given = headers(&[
            ("connection", "close, X-Mine,host"),
            ("keep-alive", "5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("x-mine", "1"),
            ("host", "a"),
            ("x-other", "2"),
        ]);
        given.append(header::CONNECTION, HeaderValue::from_static("x-second"));
        given.append("x-second", HeaderValue::from_static("3"));
        strip(&mut given);
        assert_eq!(given, headers(&[("host", "a"), ("x-other", "2")]));
    }

    #[test]
    fn a_cookie_in_pieces_becomes_whole() {
        let mut given = headers(&[("cookie", "a=1")]);
        given.append(header::COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut given);
        assert_eq!(given, headers(&[("cookie", "a=1; b=2")]));
    }

    #[test]
    fn a_loop_is_seen_by_its_hops() {
        let hops = |count: usize| headers(&[("via", &vec!["1.1 switchyard"; count].join(", "))]);
        assert!(!loops(&hops(HOPS_MAX - 1)));
        assert!(loops(&hops(HOPS_MAX)));
        let lines: HeaderMap = (0..HOPS_MAX).map(|_| (header::VIA, VIA)).collect();
        assert!(loops(&lines));
        assert!(!loops(&headers(&[("via", &["1.1 other"; 20].join(","))])));
    }

    #[test]
    fn the_clients_address_is_the_last_of_the_list() {
        let peer = Peer::for_test("10.0.0.9");
        let mut given = headers(&[("x-forwarded-for", "1.1.1.1")]);
        given.append(X_FORWARDED_FOR, HeaderValue::from_static("2.2.2.2"));
        prepare(&mut given, Version::HTTP_11, Some(&HeaderValue::from_static("shop")), &peer);
        let expected = [
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.9"),
            ("via", "1.1 switchyard"),
            ("forwarded", "for=10.0.0.9;proto=http"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop"),
        ];
        assert_eq!(given, headers(&expected));
    }

    #[test]
    fn a_target_loses_scheme_and_host() {
        for (given, expected) in [("/a?b", "/a?b"), ("http://h/a?b", "/a?b"), ("http://h", "/"), ("*", "*")] {
            assert_eq!(origin_form(given.parse().expect("a target")).to_string(), expected);
        }
    }
}
