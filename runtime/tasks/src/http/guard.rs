use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, Method, Uri,
        header::{AUTHORIZATION, HOST, HeaderName, ORIGIN},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use switchyard_types::ErrorCode;

use super::problem::Problem;
use crate::Tasks;

/// Lets a request through that may change something: not a page of another site in somebody's browser, and where workers
/// need a password, only who knows it. Looking is free: nothing is answered that a page of another site could read.
pub(super) async fn guard(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let checked = match changes {
        true => check(request.headers(), tasks.config().password.as_deref()),
        false => Ok(()),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(headers: &HeaderMap, password: Option<&str>) -> Result<(), Problem> {
    if is_foreign(headers) {
        let message = "a page of another site cannot change tasks, nor one that came by a name that may be anybody's";
        return Err(Problem::new(ErrorCode::Forbidden, message));
    }
    let Some(password) = password else { return Ok(()) };
    let given = text(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if given.as_bytes().ct_eq(password.as_bytes()).into() {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Unauthenticated, "changing tasks takes the workers' password as a bearer token"))
}

/// Browsers say where a page is from when it changes something. It must be from here, and from an address or this machine: a
/// name can be made to point here by whoever owns it.
fn is_foreign(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let uri = |name| text(headers, name).and_then(|value| value.parse::<Uri>().ok());
    let (origin, host) = (uri(ORIGIN), uri(HOST));
    let (Some(from), Some(to)) = (origin.as_ref().and_then(Uri::authority), host.as_ref().and_then(Uri::authority))
    else {
        return true;
    };
    from != to || !is_own(to.host())
}

fn is_own(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(host: &str, origin: &str) -> bool {
        let headers = [(HOST, host), (ORIGIN, origin)].map(|(name, value)| (name, value.parse().unwrap()));
        is_foreign(&headers.into_iter().collect())
    }

    #[test]
    fn a_page_must_be_from_here() {
        assert!(!is_foreign(&HeaderMap::new()), "no browser");
        assert!(!foreign("127.0.0.1:7071", "http://127.0.0.1:7071"));
        assert!(!foreign("[::1]:7071", "http://[::1]:7071"));
        assert!(!foreign("localhost:7071", "http://localhost:7071"));
        for origin in ["http://evil.example", "http://127.0.0.1:8000", "null", "http://localhost:7071"] {
            assert!(foreign("127.0.0.1:7071", origin), "{origin}");
        }
        assert!(foreign("evil.example:7071", "http://evil.example:7071"), "a name that was made to point here");
    }
}
