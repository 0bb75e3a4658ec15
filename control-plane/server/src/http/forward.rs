use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use switchyard_types::{ErrorCode, format_bytes};

use super::{App, body};
use crate::{
    lead::{Leader, Office},
    problem::Problem,
    token::Role,
};

/// Bytes of a body that is passed on: as large as a JSON body may be.
const BODY_BYTES_MAX: u64 = 1 << 20;
/// How long another server may take to accept a connection, and between two pieces of its answer: a stream says something more
/// often than that.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Says that a request was passed on already. Whoever gets it and does not lead either passes it to nobody: the servers do not
/// agree at the moment, and would send it round.
const PASSED_ON: HeaderName = HeaderName::from_static("x-switchyard-passed-on");
/// Says who has asked, in the words of a server that has seen the token. Only another server is believed that.
pub(super) const ASKED_BY: HeaderName = HeaderName::from_static("x-switchyard-asked-by");
/// What the leader is told of a request, and what of its answer is told on. Nobody's token: the leader is shown that a server asks.
const REQUEST_HEADERS: [HeaderName; 1] = [header::CONTENT_TYPE];
const ANSWER_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::CACHE_CONTROL, header::RETRY_AFTER];

/// The way to other servers.
pub(crate) struct Forwarder {
    http: Option<reqwest::Client>,
    /// What shows another server that this is one.
    token: String,
}

impl Forwarder {
    pub(crate) fn new(token: String) -> Self {
        // A proxy of the environment would see the token.
        let http = reqwest::Client::builder().connect_timeout(CONNECT_MAX).read_timeout(SILENCE_MAX).no_proxy();
        let http = http.redirect(reqwest::redirect::Policy::none()).build();
        let http = http.inspect_err(|error| tracing::error!(%error, "there is no way to other servers")).ok();
        Self { http, token }
    }
}

/// Lets a request pass where this server leads, and else has the leader answer it.
pub(super) async fn by_leader(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    match app.lead.office() {
        Office::Here(_) => Ok(next.run(request).await),
        Office::Nobody => Err(unavailable("no server leads at the moment; try again in a moment")),
        Office::There(_) if request.headers().contains_key(&PASSED_ON) => {
            Err(unavailable("the servers do not agree who leads; try again in a moment"))
        }
        Office::There(leader) => pass_on(&app, &leader, request).await,
    }
}

async fn pass_on(app: &App, leader: &Leader, request: Request) -> Result<Response, Problem> {
    let Forwarder { http: Some(http), token } = &app.forwarder else {
        return Err(unavailable("this server cannot reach the one that leads"));
    };
    let (parts, body) = request.into_parts();
    let too_large = || {
        let message = format!("the body is over {}: send smaller parts", format_bytes(BODY_BYTES_MAX));
        Problem::new(ErrorCode::TooLarge, message)
    };
    let body = body::read(body, BODY_BYTES_MAX, too_large).await?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", leader.url);
    let asked_by = parts.extensions.get::<Role>().copied().unwrap_or(Role::Node);
    let place = if is_stream(&parts.method, parts.uri.query()) { Some(app.streams.enter()?) } else { None };
    let sent = http.request(parts.method, url).headers(only(&parts.headers, &REQUEST_HEADERS));
    let sent = sent.bearer_auth(token).header(ASKED_BY, asked_by.as_str()).header(PASSED_ON, "1");
    let answer = sent.body(body).send().await.map_err(|error| Problem {
        cause: Some(error.into()),
        ..unavailable("the server that leads does not answer; try again in a moment")
    })?;
    let (status, headers) = (answer.status(), only(answer.headers(), &ANSWER_HEADERS));
    let pieces = stream::unfold(Some(answer), |answer| async {
        let mut answer = answer?;
        match answer.chunk().await.transpose()? {
            Ok(piece) => Some((Ok(piece), Some(answer))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let body = match place {
        Some(place) => place.body(pieces),
        None => Body::from_stream(pieces),
    };
    Ok((status, headers, body).into_response())
}

/// Whether the answer will have no end.
fn is_stream(method: &Method, query: Option<&str>) -> bool {
    *method == Method::GET && query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("watch=")))
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let value = |name: &HeaderName| Some((name.clone(), headers.get(name).cloned()?));
    names.iter().filter_map(value).collect::<HeaderMap<HeaderValue>>()
}

pub(super) fn unavailable(message: &str) -> Problem {
    Problem::new(ErrorCode::Unavailable, message)
}

/// As the answer to a request that does not reach here unless this server leads, or has just stopped to.
pub(super) fn own_term(app: &App) -> Result<u64, Problem> {
    match app.lead.office() {
        Office::Here(term) => Ok(term),
        Office::There(_) | Office::Nobody => Err(unavailable("this server has just stopped leading; try again")),
    }
}
